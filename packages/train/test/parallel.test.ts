import { inProcess } from '@lpr/mpi';
import { BatchStream } from '@lpr/data';
import { exportWeights } from '@lpr/model';
import { createGpuDevice, createWasmDevice } from '@lpr/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { uses } from '../src/parallel/messages.ts';
import type { Team } from '../src/parallel/accumulate.ts';
import type { StepReport } from '../src/trainer.ts';
import { makeDecoder, makeTrainer, tokens } from './models.ts';

const MICRO_BATCHES = 4;
const STEPS = 3;

type Router = Parameters<typeof makeDecoder>[1];

interface Trained {
  readonly reports: readonly StepReport[];
  readonly state: Readonly<Record<string, Float32Array>>;
}

/** A rank's part of some steps; alone without a team. */
async function trainAs(
  team: Team | null,
  router: Router,
  accumulatedTerms: 'mean' | 'sum',
  threads: number,
): Promise<Trained> {
  const device = await createWasmDevice({ threads });
  try {
    const trainer = makeTrainer(makeDecoder(device, router), {
      stream: new BatchStream({ tokens, batchSize: 2, sequenceLength: 8, seed: 1 }),
      accumulation: MICRO_BATCHES,
      accumulatedTerms,
    });
    const reports: StepReport[] = [];
    for (let step = 0; step < STEPS; step++) {
      const { report } = team === null ? { report: trainer.recordStep() } : await trainer.recordSharedStep(team);
      const { ranks, ...decided } = await report;
      if (team !== null) expect(ranks!.sentGradients).toBeGreaterThan(team.communicator.size === 1 ? -1 : 0);
      reports.push(decided);
    }
    const weights = await exportWeights(trainer.decoder);
    const moments = await trainer.optimizer.exportState();
    return { reports, state: Object.fromEntries([...weights, ...moments].map(([name, { data }]) => [name, data])) };
  } finally {
    await device.dispose();
  }
}

async function trainOn(
  ranks: number,
  router: Router,
  reduction: Team['reduction'],
  terms: 'mean' | 'sum' = 'mean',
): Promise<Trained[]> {
  return await Promise.all(
    // Several buckets a pass.
    inProcess(ranks).map((communicator) =>
      trainAs({ communicator, reduction, bucket: 1000 }, router, terms, communicator.rank % 2),
    ),
  );
}

describe('a step that ranks share out', () => {
  it.each(['corrected', 'lpr', 'vanilla', 'adamoe', 'dense', 'tied'] as const)(
    'has the bits of one rank alone on each of 1, 2 and 4, for any number of threads, with the router %s',
    async (router) => {
      const alone = await trainAs(null, router, 'mean', 0);
      for (const ranks of [1, 2, 4]) {
        for (const trained of await trainOn(ranks, router, 'ordered')) expect(trained).toEqual(alone);
      }
    },
  );

  it('has them too where loss terms are added up over micro-batches', async () => {
    const alone = await trainAs(null, 'corrected', 'sum', 0);
    for (const trained of await trainOn(2, 'corrected', 'ordered', 'sum')) expect(trained).toEqual(alone);
  });

  it('comes near them where the library adds up, with all ranks alike', async () => {
    const alone = await trainAs(null, 'corrected', 'mean', 0);
    const [first, second] = await trainOn(2, 'corrected', 'allReduce');
    expect(second).toEqual(first);
    for (const [name, values] of Object.entries(alone.state)) {
      values.forEach((value, i) => expect(first!.state[name]![i]).toBeCloseTo(value, 4));
    }
  });

  it('has the same gradients on a device whose memory is out of reach', async () => {
    const trainOne = async (team: Team | null): Promise<StepReport> => {
      const device = await createGpuDevice({ mode: 'cpu' });
      try {
        const trainer = makeTrainer(makeDecoder(device, 'plain'), {
          stream: new BatchStream({ tokens, batchSize: 1, sequenceLength: 8, seed: 1 }),
          accumulation: 2,
        });
        const recorded = team === null ? { report: trainer.recordStep() } : await trainer.recordSharedStep(team);
        const { ranks: _, ...decided } = await recorded.report;
        return decided;
      } finally {
        await device.dispose();
      }
    };
    const alone = await trainOne(null);
    const teams = inProcess(2).map((communicator) => ({ communicator, reduction: 'ordered' as const, bucket: 1000 }));
    for (const report of await Promise.all(teams.map(trainOne))) expect(report).toEqual(alone);
  });

  it('is refused where the micro-batches cannot be shared out evenly', async () => {
    await expect(trainOn(3, 'plain', 'ordered')).rejects.toThrow(/3 ranks cannot share 4 micro-batches out evenly/);
  });
});

describe('uses', () => {
  it('gives all contributions as one rank has them that goes through all micro-batches, whatever the messages', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.nat({ max: 4 }),
        // The leaf of each use, in messages.
        fc.array(fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 4 }), {
          minLength: 1,
          maxLength: 3,
        }),
        async (size, self, all) => {
          const rank = self % size;
          const LENGTH = 3;
          // Each number says whose it is: rank, message, place.
          const numberOf = (from: number, message: number, place: number): number => 100 * from + 10 * message + place;
          const rowOf = (from: number, message: number, leaves: readonly number[]): number[] =>
            leaves.flatMap((_, place) => Array.from({ length: LENGTH }, () => numberOf(from, message, place)));
          const ranks = Array.from({ length: size }, (_, each) => each);
          const messages = all.map((leaves, message) => ({
            parts: leaves.map((leaf, i) => ({ leaf, at: i * LENGTH, length: LENGTH })),
            rank,
            own: Promise.resolve(Float32Array.from(rowOf(rank, message, leaves))),
            received: Float32Array.from(
              ranks.filter((each) => each !== rank).flatMap((from) => rowOf(from, message, leaves)),
            ),
          }));
          const given = new Map<number, number[]>();
          const released: unknown[] = [];
          for await (const use of uses<number, (typeof messages)[number]>(messages, size)) {
            expect(given.has(use.leaf)).toBe(false);
            expect(use.terms.every((term) => term.length === LENGTH && term.every((n) => n === term[0]))).toBe(true);
            given.set(
              use.leaf,
              use.terms.map((term) => term[0]!),
            );
            released.push(...use.released);
          }
          expect(new Set(given.keys())).toEqual(new Set(all.flat()));
          expect(released).toHaveLength(messages.length);
          expect(new Set(released)).toEqual(new Set(messages));
          for (const [leaf, numbers] of given) {
            expect(numbers).toEqual(
              ranks.flatMap((from) =>
                all.flatMap((leaves, message) =>
                  leaves.flatMap((each, place) => (each === leaf ? [numberOf(from, message, place)] : [])),
                ),
              ),
            );
          }
        },
      ),
    );
  });
});
