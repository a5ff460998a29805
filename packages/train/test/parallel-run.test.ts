import { join } from 'node:path';
import { BatchStream, evaluationBatches } from '@lpr/data';
import { inProcess } from '@lpr/mpi';
import { type Decoder, resetDecoder } from '@lpr/model';
import { listCheckpoints } from '@lpr/runs';
import { assign, createWasmDevice } from '@lpr/tensor';
import { describe, expect, it, vi } from 'vitest';
import type { RunOptions, RunResult } from '../src/run.ts';
import { followLeader } from '../src/parallel/team.ts';
import type { TrainerOptions } from '../src/trainer.ts';
import { makeDecoder, makeTrainer, tokens } from './models.ts';
import { decidedIn, placeOfTests, trainIn } from './runs.ts';

vi.setConfig({ testTimeout: 60_000 });

const place = placeOfTests();

const training = {
  stream: new BatchStream({ tokens, batchSize: 2, sequenceLength: 8, seed: 1 }),
  accumulation: 2,
};

const batches = (): ReturnType<typeof evaluationBatches> => evaluationBatches(tokens, 4, 8, 160);

/** Evaluates, and calibrates in the midst and at the end, so that rank 0 alone changes the model. */
const whole: Partial<RunOptions> = {
  evaluation: { every: 5, batches, traceTokens: 20 },
  calibration: { batches, rounds: 1 },
  earlierEnds: [7],
};

async function alone(name: string, options: Partial<RunOptions> = whole): Promise<RunResult> {
  return await trainIn(place, name, options, undefined, training, 'corrected');
}

/** The same by two ranks, of which the second has a device and other weights of its own. */
async function together(
  name: string,
  options: Partial<RunOptions> = whole,
  more: Partial<TrainerOptions> = {},
  inspect?: (decoder: Decoder) => void,
): Promise<RunResult> {
  const [own, other] = inProcess(2).map((communicator) => ({ communicator, reduction: 'ordered' as const }));
  const device = await createWasmDevice({ threads: 0 });
  try {
    const follower = makeTrainer(makeDecoder(device, 'corrected', 99), { ...training, ...more });
    const followed = followLeader(follower, other!);
    const all = { ...training, ...more };
    const result = trainIn(place, name, { ...options, team: own! }, inspect, all, 'corrected');
    const [ended] = await Promise.allSettled([result, followed]);
    await followed;
    if (ended.status === 'rejected') throw ended.reason;
    return ended.value;
  } finally {
    await device.dispose();
  }
}

describe('a run of two ranks', () => {
  it('ends as that of one, evaluations and calibrations included', async () => {
    expect((await alone('one')).finished).toBe(true);
    expect((await together('two')).finished).toBe(true);
    expect(await decidedIn(place.root, 'two')).toEqual(await decidedIn(place.root, 'one'));
  });

  it('stops, and goes on alone and together', async () => {
    await alone('one');
    for (const [stopAt, goOn] of [
      [3, alone],
      [8, together],
    ] as const) {
      const controller = new AbortController();
      const onStep: RunOptions['onStep'] = ({ report }) => {
        if (report.step === stopAt) controller.abort();
      };
      const name = `stopped-${stopAt}`;
      expect((await together(name, { ...whole, onStep, signal: controller.signal })).finished).toBe(false);
      expect((await goOn(name)).finished).toBe(true);
      expect(await decidedIn(place.root, name)).toEqual(await decidedIn(place.root, 'one'));
    }
  });

  it('lets the other rank go where it diverges, and says where it began', async () => {
    let reset = (): void => {};
    const inspect = (decoder: Decoder): void => {
      reset = () => resetDecoder(decoder, 0);
    };
    const diverging = together('diverging', { ...whole, resetModel: () => reset() }, { learningRate: 1e30 }, inspect);
    await expect(diverging).rejects.toThrow(/diverged at step \d: .* It began in the activations of model\./);
  });

  it('saves nothing where a rank has come to other weights', async () => {
    const [own, other] = inProcess(2).map((communicator) => ({ communicator, reduction: 'ordered' as const }));
    const device = await createWasmDevice({ threads: 0 });
    const decoder = makeDecoder(device, 'corrected');
    const follower = makeTrainer(decoder, training);
    const followed = followLeader(follower, other!);
    const onStep: RunOptions['onStep'] = ({ report }) => {
      const norm = decoder.parameters.get('model.norm.weight')!;
      if (report.step === 2) assign(norm, new Float32Array(norm.size).fill(2));
    };
    const result = trainIn(place, 'drifted', { onStep, team: own! }, undefined, training, 'corrected');
    const reasons = (await Promise.allSettled([result, followed])).map(
      (each) => each.status === 'rejected' && String(each.reason),
    );
    const message = /rank 1 has other weights than rank 0 after step 5: .* the checkpoint before is whole/;
    expect(reasons).toEqual([expect.stringMatching(message), expect.stringMatching(message)]);
    expect(await listCheckpoints(join(place.root, 'drifted', 'checkpoints'))).toEqual([]);
    await device.dispose();
  });
});
