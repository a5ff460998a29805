import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeLoads } from '@lpr/metrics';
import { type Decoder, exportWeights } from '@lpr/model';
import { assign, createWasmDevice, type WasmDevice } from '@lpr/tensor';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { listCheckpoints } from '../src/checkpoint.ts';
import { readMetrics } from '../src/logs.ts';
import { RunFolder } from '../src/run-folder.ts';
import { loadNewestWeights } from '../src/snapshot.ts';
import { type RunOptions, type RunResult, trainRun } from '../src/run.ts';
import { loads, makeDecoder, makeTrainer } from './models.ts';

let device: WasmDevice;
let root: string;
beforeAll(async () => {
  device = await createWasmDevice({ threads: 1 });
});
afterAll(async () => await device.dispose());
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lpr-run-'));
});
afterEach(async () => await rm(root, { recursive: true }));

/** Opens or makes the run, trains, and gives the model back before it is freed. */
async function train(
  name: string,
  options: Partial<RunOptions> = {},
  inspect: (decoder: Decoder) => Promise<void> | void = () => {},
): Promise<RunResult> {
  const path = join(root, name);
  const exists = await readFile(join(path, 'config.yaml')).then(
    () => true,
    () => false,
  );
  const run = exists ? await RunFolder.open(path) : await RunFolder.create(path, {});
  const decoder = makeDecoder(device, 'lpr');
  const trainer = makeTrainer(decoder);
  try {
    await inspect(decoder);
    return await trainRun({
      run,
      trainer,
      loads,
      steps: 12,
      logEvery: 4,
      checkpointEvery: 5,
      keepLast: 2,
      ...options,
    });
  } finally {
    await run.close();
    trainer.dispose();
    decoder.dispose();
  }
}

/** Logs and the last model of a run, less how fast it was. */
async function decided(name: string): Promise<unknown> {
  const path = join(root, name);
  const [newest] = await listCheckpoints(join(path, 'checkpoints'));
  return {
    metrics: (await readMetrics(path)).map((line) => ({ ...line, tokensPerSecond: null, phases: null, memory: null })),
    loads: await readFile(join(path, 'loads.bin')),
    model: await readFile(join(newest!, 'model.safetensors')),
    optimizer: await readFile(join(newest!, 'optimizer.safetensors')),
    state: await readFile(join(newest!, 'state.json')),
  };
}

describe('trainRun', () => {
  it('logs every step and every window, and keeps the last checkpoints', async () => {
    const steps: number[] = [];
    const result = await train('run', { onStep: ({ report }) => steps.push(report.step) });
    expect(result).toMatchObject({ step: 12, tokens: 12 * 24, finished: true });
    expect(steps).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    const metrics = await readMetrics(join(root, 'run'));
    expect(metrics.map(({ step, tokens }) => [step, tokens])).toEqual(steps.map((step) => [step, 24 * step]));
    expect(metrics.filter(({ gini }) => gini !== undefined).map(({ step }) => step)).toEqual([4, 8, 12]);
    expect(Object.keys(metrics[0]!.terms).length).toBeGreaterThan(1);
    for (const { raw } of Object.values(metrics[0]!.terms)) expect(raw).toHaveLength(loads.layers);
    const { windows } = decodeLoads(await readFile(join(root, 'run', 'loads.bin')));
    expect(windows.map(({ step, tokens }) => [step, tokens])).toEqual([4, 8, 12].map((step) => [step, 96]));
    const kept = await listCheckpoints(join(root, 'run', 'checkpoints'));
    expect(kept.map((path) => path.slice(-6))).toEqual(['000012', '000010']);
  });

  it('ends with the same bits when it is stopped at any step, in the midst of a window', async () => {
    await train('whole');
    for (const stopAt of [1, 6, 9]) {
      const controller = new AbortController();
      const onStep: RunOptions['onStep'] = ({ report }) => {
        if (report.step === stopAt) controller.abort();
      };
      const stopped = await train(`stopped-${stopAt}`, { onStep, signal: controller.signal });
      expect(stopped.finished).toBe(false);
      expect(stopped.step).toBeGreaterThanOrEqual(stopAt);
      expect((await train(`stopped-${stopAt}`)).finished).toBe(true);
      expect(await decided(`stopped-${stopAt}`)).toEqual(await decided('whole'));
    }
  });

  it('does nothing to a finished run', async () => {
    await train('run');
    const before = await decided('run');
    expect(await train('run')).toMatchObject({ step: 12, finished: true, tokensPerSecond: null });
    expect(await decided('run')).toEqual(before);
  });

  it('saves nothing of a run that diverged', async () => {
    const poison = (decoder: Decoder): RunOptions['onStep'] => {
      return ({ report }) => {
        if (report.step !== 6) return;
        const head = decoder.parameters.get('lm_head.weight')!;
        assign(head, new Float32Array(head.size).fill(Number.NaN));
      };
    };
    let onStep: RunOptions['onStep'];
    await expect(
      train('run', { onStep: (progress) => onStep!(progress) }, (decoder) => {
        onStep = poison(decoder);
      }),
    ).rejects.toThrow(/diverged at step [78]/);
    const kept = await listCheckpoints(join(root, 'run', 'checkpoints'));
    expect(kept.map((path) => path.slice(-6))).toEqual(['000005']);
    // And it goes on from there as if nothing had been.
    await train('run');
    await train('whole');
    expect(await decided('run')).toEqual(await decided('whole'));
  });

  it('leaves a model that loads under its Hugging Face names', async () => {
    await train('run');
    const decoder = makeDecoder(device, 'lpr', 9);
    expect(await loadNewestWeights(join(root, 'nowhere'), decoder)).toBeNull();
    expect(await loadNewestWeights(join(root, 'run', 'checkpoints'), decoder)).toBe(12);
    const names = [...(await exportWeights(decoder)).keys()];
    expect(names).toContain('model.layers.1.mlp.experts.5.up_proj.weight');
    expect(names).toContain('model.layers.0.mlp.gate.expert_keys');
    decoder.dispose();
  });
});
