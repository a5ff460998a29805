/** The page of ../browser.test.ts: a decoder trained, and the conformance suite run, on the devices of a browser. */
import { createDecoder, parseDecoderConfig } from '@lpr/model';
import { createGpuDevice, createWasmDevice, type Device } from '@lpr/tensor';
import { makeSchedule, Trainer } from '@lpr/train/browser';
import { checks, opNames } from '../../packages/tensor/test/conformance/index.ts';

export interface TrainingReport {
  readonly device: string;
  readonly losses: readonly number[];
}

/** What of the conformance suite failed. */
export interface ConformanceReport {
  readonly device: string;
  readonly ops: number;
  readonly failures: readonly string[];
}

/** What the page offers to the test that drives it. */
export interface Page {
  train(device: 'wasm' | 'webgpu', router: 'top-k' | 'lpr', steps: number): Promise<TrainingReport>;
  conform(device: 'wasm' | 'webgpu'): Promise<ConformanceReport>;
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

async function conform(name: 'wasm' | 'webgpu'): Promise<ConformanceReport> {
  const device = await open(name);
  const failures: string[] = [];
  for (const op of opNames) {
    // Shapes that fast-check makes up are for Node: each makes SwiftShader build kernels, which takes most of the time
    // here.
    for (const { title, run } of checks(op, 1).filter(({ title }) => !title.startsWith('any shape'))) {
      await run(device).catch((error: unknown) => failures.push(`${op}, ${title}: ${String(error)}`));
    }
  }
  await device.dispose();
  return { device: device.description, ops: opNames.length, failures };
}

(globalThis as unknown as { lpr: Page }).lpr = { train, conform };
