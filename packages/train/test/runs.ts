/** Whole runs of the small decoder in a folder of their own, and what they left. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Decoder } from '@lpr/model';
import { listCheckpoints, readEvaluations, readMetrics, RunFolder } from '@lpr/runs';
import { createWasmDevice, type WasmDevice } from '@lpr/tensor';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { type RunOptions, type RunResult, trainRun } from '../src/run.ts';
import type { TrainerOptions } from '../src/trainer.ts';
import { loads, makeDecoder, makeTrainer } from './models.ts';

/** Where runs are made, and what they compute on. */
export interface Place {
  readonly device: WasmDevice;
  readonly root: string;
}

/** A device for all tests of a file and a folder for each, there while they run. */
export function placeOfTests(): Place {
  const place = {} as { device: WasmDevice; root: string };
  beforeAll(async () => {
    place.device = await createWasmDevice({ threads: 1 });
  });
  afterAll(async () => await place.device.dispose());
  beforeEach(async () => {
    place.root = await mkdtemp(join(tmpdir(), 'lpr-run-'));
  });
  afterEach(async () => await rm(place.root, { recursive: true }));
  return place;
}

/** Opens or makes the run, trains, and gives the model back before it is freed. */
export async function trainIn(
  { device, root }: Place,
  name: string,
  options: Partial<RunOptions> = {},
  inspect: (decoder: Decoder) => Promise<void> | void = () => {},
  training: Partial<TrainerOptions> = {},
  router: Parameters<typeof makeDecoder>[1] = 'lpr',
  shared: Parameters<typeof makeDecoder>[3] = {},
): Promise<RunResult> {
  const path = join(root, name);
  const exists = await readFile(join(path, 'config.yaml')).then(
    () => true,
    () => false,
  );
  const run = exists ? await RunFolder.open(path) : await RunFolder.create(path, {});
  const decoder = makeDecoder(device, router, 0, shared);
  const trainer = makeTrainer(decoder, training);
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
export async function decidedIn(root: string, name: string): Promise<unknown> {
  const path = join(root, name);
  const [newest] = await listCheckpoints(join(path, 'checkpoints'));
  return {
    metrics: (await readMetrics(path)).map((line) => ({
      ...line,
      tokensPerSecond: null,
      phases: null,
      memory: null,
      ranks: null,
    })),
    evaluations: await readEvaluations(path),
    loads: await readFile(join(path, 'loads.bin')),
    model: await readFile(join(newest!, 'model.safetensors')),
    optimizer: await readFile(join(newest!, 'optimizer.safetensors')),
    state: await readFile(join(newest!, 'state.json')),
  };
}
