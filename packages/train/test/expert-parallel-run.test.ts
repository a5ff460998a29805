/** Whole runs of ranks that own some of the experts each: the files of one process, alone and together. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BatchStream, evaluationBatches } from '@lpr/data';
import { inProcess } from '@lpr/mpi';
import { saveHuggingFace } from '@lpr/model/node';
import { listCheckpoints, readMetrics } from '@lpr/runs';
import { assign, createWasmDevice } from '@lpr/tensor';
import { describe, expect, it, vi } from 'vitest';
import { ExpertExchange } from '../src/parallel/expert-exchange.ts';
import { followLeader } from '../src/parallel/team.ts';
import type { RunOptions, RunResult } from '../src/run.ts';
import type { TrainerOptions } from '../src/trainer.ts';
import { makeDecoder, makeTrainer, tokens } from './models.ts';
import { decidedIn, placeOfTests, trainIn } from './runs.ts';

vi.setConfig({ testTimeout: 60_000 });

const place = placeOfTests();

const training: Partial<TrainerOptions> = {
  stream: new BatchStream({ tokens, batchSize: 2, sequenceLength: 8, seed: 1 }),
  accumulation: 2,
  // No gradient is clipped, so that the norm, whose last bit may be another, decides nothing.
  optimizer: { clipNorm: 1e9 },
};

const batches = (): ReturnType<typeof evaluationBatches> => evaluationBatches(tokens, 4, 8, 160);

/** Evaluates, and calibrates in the midst and at the end, so that rank 0 alone routes tokens through all experts. */
const whole: Partial<RunOptions> = {
  evaluation: { every: 5, batches, traceTokens: 20 },
  calibration: { batches, rounds: 1 },
  earlierEnds: [7],
};

async function alone(name: string, options: Partial<RunOptions> = whole): Promise<RunResult> {
  return await trainIn(place, name, options, undefined, training, 'corrected');
}

async function together(name: string, options: Partial<RunOptions> = whole, ranks = 2): Promise<RunResult> {
  const [own, ...others] = inProcess(ranks).map((communicator) => ({
    communicator,
    experts: new ExpertExchange(communicator.beside),
    reduction: 'ordered' as const,
  }));
  const followed = others.map(async (team) => {
    const device = await createWasmDevice({ threads: 0 });
    try {
      await followLeader(makeTrainer(makeDecoder(device, 'corrected', 0, team), training), team);
      expect(device.memory.liveBuffers).toBeGreaterThan(0);
    } finally {
      await device.dispose();
    }
  });
  const all = { ...options, team: own! };
  const ended = trainIn(place, name, all, undefined, training, 'corrected', { experts: own!.experts });
  const [result] = await Promise.all([ended, ...followed]);
  return result;
}

/** All that a run decides, but the norms of gradients. */
async function decided(name: string): Promise<object> {
  const { metrics, ...others } = (await decidedIn(place.root, name)) as { metrics: object[] };
  return { ...others, metrics: metrics.map((line) => ({ ...line, gradientNorm: null })) };
}

describe('a run of ranks that own some experts each', () => {
  it('writes the files of one process, evaluations and calibrations included', async () => {
    expect((await alone('one')).finished).toBe(true);
    for (const ranks of [1, 2]) {
      expect((await together(`of-${ranks}`, whole, ranks)).finished).toBe(true);
      expect(await decided(`of-${ranks}`)).toEqual(await decided('one'));
    }
  });

  it('logs the norms of the gradients that one process has', async () => {
    const options = { gradientNormsEvery: 1 };
    const normsOf = async (name: string): Promise<[string, number | null][]> =>
      (await readMetrics(join(place.root, name))).flatMap(({ step, gradientNorms = {} }) =>
        Object.entries(gradientNorms).flatMap(([term, parts]) =>
          Object.entries(parts).map(([part, norm]): [string, number | null] => [`${step} ${term} ${part}`, norm]),
        ),
      );
    await alone('one', options);
    const expected = await normsOf('one');
    expect(expected.length).toBeGreaterThan(20);
    for (const ranks of [1, 2]) {
      const name = `of-${ranks}`;
      expect((await together(name, options, ranks)).finished).toBe(true);
      const norms = await normsOf(name);
      expect(norms.map(([key]) => key)).toEqual(expected.map(([key]) => key));
      for (const [i, [key, norm]] of norms.entries()) expect(norm, key).toBeCloseTo(expected[i]![1]!, 6);
      const { metrics } = (await decided(name)) as { metrics: { loss: number | null }[] };
      const { metrics: ofOne } = (await decided('one')) as { metrics: { loss: number | null }[] };
      expect(metrics.map(({ loss }) => loss)).toEqual(ofOne.map(({ loss }) => loss));
    }
  });

  it('stops, and goes on alone, and together with those who have all experts, and the other way round', async () => {
    await alone('one');
    for (const [i, [stopped, goOn]] of (
      [
        [together, alone],
        [alone, together],
        [together, together],
      ] as const
    ).entries()) {
      const controller = new AbortController();
      const onStep: RunOptions['onStep'] = ({ report }) => {
        if (report.step === 8) controller.abort();
      };
      const name = `stopped-${i}`;
      expect((await stopped(name, { ...whole, onStep, signal: controller.signal })).finished).toBe(false);
      expect((await goOn(name)).finished).toBe(true);
      expect(await decided(name)).toEqual(await decided('one'));
    }
  });

  it('starts from the weights of a folder', async () => {
    const from = join(place.root, 'weights');
    const other = makeDecoder(place.device, 'corrected', 7);
    await saveHuggingFace(other, from);
    other.dispose();
    await alone('from-alone', { from, steps: 2 });
    await together('from-together', { from, steps: 2 });
    expect(await decided('from-together')).toEqual(await decided('from-alone'));
    await alone('fresh', { steps: 2 });
    expect(await decided('fresh')).not.toEqual(await decided('from-alone'));
  });

  it('saves nothing of a rank whose experts are no longer finite', async () => {
    const [own, other] = inProcess(2).map((communicator) => ({
      communicator,
      experts: new ExpertExchange(communicator.beside),
      reduction: 'ordered' as const,
    }));
    const device = await createWasmDevice({ threads: 0 });
    const decoder = makeDecoder(device, 'corrected', 0, other);
    const followed = followLeader(makeTrainer(decoder, training), other!);
    const onStep: RunOptions['onStep'] = ({ report }) => {
      const down = decoder.parameters.get('model.layers.1.mlp.experts.down_proj')!;
      if (report.step === 5) assign(down, new Float32Array(down.size).fill(NaN));
    };
    const result = trainIn(place, 'broken', { onStep, team: own! }, undefined, training, 'corrected', own);
    const reasons = (await Promise.allSettled([result, followed])).map(
      (each) => each.status === 'rejected' && String(each.reason),
    );
    expect(reasons).toEqual([
      expect.stringMatching(/rank 1 has a number that is not finite among its experts after step 5/),
      expect.stringMatching(/rank 1 has a number that is not finite/),
    ]);
    expect(await listCheckpoints(join(place.root, 'broken', 'checkpoints'))).toEqual([]);
    expect(await readFile(join(place.root, 'broken', 'metrics.jsonl'), 'utf8')).toContain('"step":5');
    await device.dispose();
  });
});
