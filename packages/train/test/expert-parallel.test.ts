/** Steps of ranks that own some of the experts each. */
import { BatchStream } from '@lpr/data';
import { inProcess } from '@lpr/mpi';
import { asPieces, type Decoder, rankCost, tensorOf } from '@lpr/model';
import { createGpuDevice, createWasmDevice, type Device } from '@lpr/tensor';
import { describe, expect, it } from 'vitest';
import type { Team } from '../src/parallel/accumulate.ts';
import { ExpertExchange } from '../src/parallel/expert-exchange.ts';
import { collect, spread } from '../src/parallel/shared-experts.ts';
import type { StepReport, TrainerOptions } from '../src/trainer.ts';
import { makeDecoder, makeTrainer, tokens } from './models.ts';

const MICRO_BATCHES = 4;
const STEPS = 3;

interface Case {
  readonly router: Parameters<typeof makeDecoder>[1];
  readonly latentDim?: number;
  readonly reduction?: Team['reduction'];
  readonly options?: Partial<TrainerOptions>;
}

interface Trained {
  readonly reports: readonly StepReport[];
  /** Weights, whole; of rank 0. */
  readonly weights: Readonly<Record<string, Float32Array>>;
}

async function trainAs(team: Team | null, device: Device, { router, latentDim, options }: Case): Promise<Trained> {
  const decoder = makeDecoder(device, router, 0, { experts: team?.experts ?? null, latentDim: latentDim ?? null });
  const trainer = makeTrainer(decoder, {
    stream: new BatchStream({ tokens, batchSize: 2, sequenceLength: 8, seed: 1 }),
    accumulation: MICRO_BATCHES,
    ...options,
  });
  const reports: StepReport[] = [];
  for (let step = 0; step < STEPS; step++) {
    const { report } = team === null ? { report: trainer.recordStep() } : await trainer.recordSharedStep(team);
    reports.push(await report);
  }
  return { reports, weights: await weightsOf(decoder, team) };
}

async function weightsOf(decoder: Decoder, team: Team | null): Promise<Record<string, Float32Array>> {
  const weights: Record<string, Float32Array> = {};
  for (const parameter of decoder.layout) {
    const own = await tensorOf(decoder, parameter.name).dataF32();
    const whole = parameter.rows === undefined ? own : await collect(team!.communicator, parameter, own);
    if (whole.length > 0) for (const { name, data } of asPieces(parameter, whole)) weights[name] = data;
  }
  return weights;
}

async function withDevice<T>(body: (device: Device) => Promise<T>, threads = 0): Promise<T> {
  const device = await createWasmDevice({ threads });
  try {
    return await body(device);
  } finally {
    await device.dispose();
  }
}

async function trainOn(ranks: number, each: Case): Promise<Trained[]> {
  return await Promise.all(
    inProcess(ranks).map((communicator) => {
      const experts = new ExpertExchange(communicator.beside);
      const team: Team = { communicator, experts, reduction: each.reduction ?? 'ordered', bucket: 1000 };
      return withDevice((device) => trainAs(team, device, each), communicator.rank % 2);
    }),
  );
}

/** No gradient is ever clipped, so that the norm decides nothing. */
const unclipped: Partial<TrainerOptions> = { optimizer: { clipNorm: 1e9 } };

describe('a step of ranks that own some experts each', () => {
  it.each([
    { router: 'corrected' },
    { router: 'lpr' },
    { router: 'vanilla' },
    { router: 'adamoe' },
    { router: 'plain', latentDim: 4 },
  ] satisfies Case[])('has the bits of one rank that has them all, on 1, 2 and 4: %o', async (each) => {
    const alone = await withDevice((device) => trainAs(null, device, { ...each, options: unclipped }));
    for (const ranks of [1, 2, 4]) {
      const [first, ...others] = await trainOn(ranks, { ...each, options: unclipped });
      expect(first!.weights).toEqual(alone.weights);
      for (const { reports } of [first!, ...others]) {
        for (const [i, report] of reports.entries()) {
          const { gradientNorm, ...decided } = alone.reports[i]!;
          expect(report).toMatchObject(decided);
          expect(report.gradientNorm / gradientNorm).toBeCloseTo(1, 6);
          // All ranks have one report, of which a single rank sends nothing and waits for none.
          expect(report.ranks).toEqual(first!.reports[i]!.ranks);
          const { sentTokens, slowestLoad, imbalance } = report.ranks!;
          expect(slowestLoad).toBeGreaterThanOrEqual(1);
          expect(slowestLoad).toBeLessThanOrEqual(ranks);
          expect(imbalance).toBeGreaterThanOrEqual(0);
          if (ranks === 1) expect([sentTokens, slowestLoad, imbalance]).toEqual([0, 1, 0]);
          else expect(sentTokens).toBeGreaterThan(0);
        }
      }
    }
  });

  it.each([{ router: 'corrected' }, { router: 'plain', latentDim: 4 }] satisfies Case[])(
    'has them on more ranks than experts, of which some own none: %o',
    async (each) => {
      const options: Partial<TrainerOptions> = { ...unclipped, accumulation: 8 };
      const alone = await withDevice((device) => trainAs(null, device, { ...each, options }));
      const [first, ...others] = await trainOn(8, { ...each, options });
      for (const { reports } of [first!, ...others]) {
        expect(reports.map(({ loss }) => loss)).toEqual(alone.reports.map(({ loss }) => loss));
      }
      expect(first!.weights).toEqual(alone.weights);
    },
  );

  it('has them with moments of bfloat16, whose rounding goes by an element of the whole', async () => {
    const options: Partial<TrainerOptions> = { optimizer: { clipNorm: 1e9, moments: 'bfloat16' } };
    const alone = await withDevice((device) => trainAs(null, device, { router: 'corrected', options }));
    const float32 = await withDevice((device) => trainAs(null, device, { router: 'corrected', options: unclipped }));
    expect(alone.weights).not.toEqual(float32.weights);
    const [first] = await trainOn(4, { router: 'corrected', options });
    expect(first!.weights).toEqual(alone.weights);
  });

  it('has the losses of one to 1e-6 where gradients are clipped, by either sum of gradients', async () => {
    const options: Partial<TrainerOptions> = { optimizer: { clipNorm: 0.1 } };
    const alone = await withDevice((device) => trainAs(null, device, { router: 'corrected', options }));
    for (const reduction of ['ordered', 'allReduce'] as const) {
      for (const { reports } of await trainOn(2, { router: 'corrected', reduction, options })) {
        reports.forEach(({ loss }, i) => expect(Math.abs(loss - alone.reports[i]!.loss)).toBeLessThan(1e-6));
      }
    }
  });

  it('has the same losses on a device whose memory is out of reach', async () => {
    const options: Partial<TrainerOptions> = {
      stream: new BatchStream({ tokens, batchSize: 1, sequenceLength: 8, seed: 1 }),
      accumulation: 2,
    };
    const onGpu = async (team: Team | null): Promise<Trained> => {
      const device = await createGpuDevice({ mode: 'cpu' });
      try {
        return await trainAs(team, device, { router: 'plain', options });
      } finally {
        await device.dispose();
      }
    };
    const alone = await onGpu(null);
    const teams = inProcess(2).map((communicator) => {
      const experts = new ExpertExchange(communicator.beside);
      return { communicator, experts, reduction: 'ordered' as const, bucket: 1000 };
    });
    for (const { reports } of await Promise.all(teams.map(onGpu))) {
      reports.forEach(({ loss }, i) => expect(Math.abs(loss - alone.reports[i]!.loss)).toBeLessThan(1e-6));
    }
  });

  it('sends about as many bytes as the cost model says', async () => {
    const [{ reports }] = (await trainOn(4, { router: 'vanilla' })) as [Trained];
    const { config } = await withDevice(async (device) => makeDecoder(device, 'vanilla'));
    const predicted = rankCost(config, {
      ...{ ranks: 4, expertParallel: true, microBatches: MICRO_BATCHES / 4, batch: 2, sequence: 8 },
    });
    const sent = reports.map(({ ranks }) => ranks!.sentTokens);
    const mean = sent.reduce((a, b) => a + b, 0) / sent.length;
    expect(mean / predicted.sentTokens).toBeGreaterThan(0.85);
    expect(mean / predicted.sentTokens).toBeLessThan(1.15);
    // Statistics and the ends of parts go besides.
    const gradients = reports[0]!.ranks!.sentGradients;
    expect(gradients / predicted.sentGradients).toBeGreaterThan(1);
    expect(gradients / predicted.sentGradients).toBeLessThan(1.2);
  });

  it('sends whole tensors to their owners and back, in however many messages', async () => {
    const experts = new ExpertExchange(inProcess(4)[1]!.beside);
    const { layout } = await withDevice(async (device) => makeDecoder(device, 'plain', 0, { experts }));
    const parameter = layout.find(({ rows }) => rows !== undefined)!;
    const whole = Float32Array.from({ length: parameter.shape.reduce((a, b) => a * b, 1) }, (_, i) => i);
    for (const most of [7, 1000, 2 ** 26]) {
      const parts = await Promise.all(
        inProcess(4).map(async (channel) => {
          const own = await spread(channel, parameter, channel.rank === 0 ? whole : null, most);
          return { own, back: await collect(channel, parameter, own, most) };
        }),
      );
      // Six experts: 1, 2, 1 and 2.
      expect(parts.map(({ own }) => own.length / (whole.length / 6))).toEqual([1, 2, 1, 2]);
      expect(parts.flatMap(({ own }) => [...own])).toEqual([...whole]);
      expect(parts.map(({ back }) => back)).toEqual([whole, ...parts.slice(1).map(() => new Float32Array(0))]);
    }
  });
});
