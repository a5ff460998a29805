/** Which device trains faster: some steps of the model at hand on each, in bounded time. */
import { predictFlops } from '@lpr/model';
import type { Device } from '@lpr/tensor';
import { decoderConfig } from '../settings/decoder-config.ts';
import type { Settings } from '../settings/schema.ts';
import { makeDecoder, makeTrainer } from './model.ts';
import { FLOPS_A_THREAD } from './prediction.ts';

/** Steps that are timed at most, and the time after which no further one begins. */
const STEPS = 3;
const MILLISECONDS = 3000;

/** A step on the CPU that is timed takes no longer, by prediction; its batch is cut down to that. */
const LONGEST_STEP_SECONDS = 1.5;

export interface Choice {
  readonly device: Device;
  /** "auto took gpu, ...: 38,843 tokens/s in steps of this model, 17,202 on wasm, ...". */
  readonly text: string;
}

/**
 * Times steps on a GPU and on the CPU, and gives the faster device; the other one is ended.
 *
 * @param openCpu is not called where the CPU would be slower for certain: where one sequence takes it too long to try
 */
export async function fasterDevice(settings: Settings, gpu: Device, openCpu: () => Promise<Device>): Promise<Choice> {
  const onCpu: Settings = { ...settings, device: 'wasm' };
  const { data } = settings;
  const seconds = secondsOfSequence(onCpu);
  if (seconds > LONGEST_STEP_SECONDS) {
    const text = `auto took ${gpu.description}: this CPU would need about ${seconds.toFixed(0)} s for each sequence of a step`;
    return { device: gpu, text };
  }
  const cpu = await openCpu();
  const batchSize = Math.max(1, Math.min(data.batchSize, Math.floor(LONGEST_STEP_SECONDS / seconds)));
  const [onGpuSpeed, onCpuSpeed] = [
    await tokensPerSecond(gpu, settings),
    await tokensPerSecond(cpu, { ...onCpu, data: { ...data, batchSize } }),
  ];
  const [taken, left] = onGpuSpeed > onCpuSpeed ? [gpu, cpu] : [cpu, gpu];
  const [fast, slow] = [onGpuSpeed, onCpuSpeed].toSorted((a, b) => b - a).map((speed) => Math.round(speed));
  await left.dispose();
  const text = `auto took ${taken.description}: ${fast!.toLocaleString('en')} tokens/s in steps of this model, ${slow!.toLocaleString('en')} on ${left.description}`;
  return { device: taken, text };
}

function secondsOfSequence(settings: Settings): number {
  const { data, size } = settings;
  const perToken = predictFlops(decoderConfig(settings, size.vocabulary), { sequence: data.sequenceLength }).training;
  return (perToken * data.sequenceLength) / FLOPS_A_THREAD;
}

/** Of the fastest step, after one that builds kernels and takes memory. */
async function tokensPerSecond(device: Device, settings: Settings): Promise<number> {
  const { size, data } = settings;
  const decoder = makeDecoder(device, settings, size.vocabulary);
  // What the text says is no matter of speed.
  const length = (data.batchSize + 1) * data.sequenceLength + 1;
  const trainer = makeTrainer(
    decoder,
    settings,
    Int32Array.from({ length }, (_, i) => (i * 7919) % size.vocabulary),
  );
  try {
    await trainer.recordStep();
    const begin = performance.now();
    let best = Infinity;
    let tokens = 0;
    for (let step = 0; step < STEPS && performance.now() - begin < MILLISECONDS; step++) {
      const start = performance.now();
      ({ tokens } = await trainer.recordStep());
      best = Math.min(best, performance.now() - start);
    }
    return (1000 * tokens) / best;
  } finally {
    trainer.dispose();
    decoder.dispose();
  }
}
