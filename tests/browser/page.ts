/** The page of ../browser.test.ts: a decoder trained, and every kernel run, on the devices of a browser. */
import { createDecoder, parseDecoderConfig } from '@lpr/model';
import { createGpuDevice, createWasmDevice, type Device } from '@lpr/tensor';
import { makeSchedule, Trainer } from '@lpr/train/browser';
import { Bench, tour } from '../../packages/tensor/test/support/tour.ts';

export interface TrainingReport {
  readonly device: string;
  readonly losses: readonly number[];
}

/** How far a kernel of the GPU device is from the wasm device. */
export interface KernelReport {
  readonly name: string;
  /** Relative to the largest number of a result; infinite when a NaN or an integer differs. */
  readonly error: number;
  readonly tolerance: number;
}

/** What the page offers to the test that drives it. */
export interface Page {
  train(device: 'wasm' | 'webgpu', router: 'top-k' | 'lpr', steps: number): Promise<TrainingReport>;
  compareKernels(): Promise<KernelReport[]>;
}

const open = (name: 'wasm' | 'webgpu'): Promise<Device> =>
  name === 'wasm' ? createWasmDevice({ threads: 0 }) : createGpuDevice({ mode: 'webgpu' });

/** The sizes of the trainer's preset `tiny`. */
const CONFIG = {
  model_type: 'qwen3_moe',
  vocab_size: 512,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 16,
  num_experts: 8,
  num_experts_per_tok: 2,
  moe_intermediate_size: 32,
  intermediate_size: 32,
  norm_topk_prob: true,
  max_position_embeddings: 64,
};
const [BATCH, SEQUENCE] = [4, 64];

/** Text that repeats itself, so that there is something to learn. */
function batchAt(step: number) {
  const text = Array.from({ length: BATCH * SEQUENCE + 1 }, (_, i) => ((i + step) % 97) ** 2 % CONFIG.vocab_size);
  const [inputIds, labels] = [Int32Array.from(text.slice(0, -1)), Int32Array.from(text.slice(1))];
  const domains = Array.from({ length: BATCH }, () => 'squares');
  return { inputIds, labels, domains, batch: BATCH, sequenceLength: SEQUENCE };
}

async function train(name: 'wasm' | 'webgpu', router: 'top-k' | 'lpr', steps: number): Promise<TrainingReport> {
  const device = await open(name);
  const config = parseDecoderConfig({ ...CONFIG, ...(router === 'lpr' && { router_type: 'lpr' }) });
  const trainer = new Trainer({
    decoder: createDecoder(device, config, { seed: 1 }),
    stream: { batchAt },
    seed: 1,
    learningRate: 3e-3,
    schedule: makeSchedule({ kind: 'constant', warmup: 0, minRatio: 0 }, steps),
  });
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) losses.push((await trainer.recordStep()).loss);
  const report = { device: device.description, losses };
  await device.dispose();
  return report;
}

/** The largest difference relative to the largest number. */
function errorOf(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [largest, worst] = [1e-3, 0];
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i]!, expected[i]!];
    if (Number.isFinite(b)) largest = Math.max(largest, Math.abs(b));
    if (!Object.is(a, b))
      worst = Number.isFinite(b) && Number.isFinite(a) ? Math.max(worst, Math.abs(a - b)) : Infinity;
  }
  return actual.length === expected.length ? worst / largest : Infinity;
}

async function compareKernels(): Promise<KernelReport[]> {
  const [wasm, gpu] = [await open('wasm'), await open('webgpu')];
  const reports: KernelReport[] = [];
  for (const name of Object.keys(tour) as (keyof typeof tour)[]) {
    const [expected, actual] = [new Bench(wasm), new Bench(gpu)];
    const [wanted, got] = [tour[name](expected), tour[name](actual)];
    let error = 0;
    for (const [key, buffer] of Object.entries(got.floats ?? {})) {
      const of = [await actual.read(buffer, false), await expected.read(wanted.floats![key]!, false)] as const;
      error = Math.max(error, errorOf(...of));
    }
    for (const [key, buffer] of Object.entries(got.integers ?? {})) {
      const of = [await actual.read(buffer, true), await expected.read(wanted.integers![key]!, true)] as const;
      if (errorOf(...of) > 0) error = Infinity;
    }
    expected.free();
    actual.free();
    reports.push({ name, error, tolerance: got.tolerance ?? 3e-6 });
  }
  await wasm.dispose();
  await gpu.dispose();
  return reports;
}

(globalThis as unknown as { lpr: Page }).lpr = { train, compareKernels };
