/**
 * Folders that pass between this project and plain PyTorch (`parity/python`): what is trained and exported here is
 * computed there alike, and what is written there is computed here alike.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadHuggingFace } from '@lpr/model/node';
import { createWasmDevice, scope, tensor } from '@lpr/tensor';
import { afterAll, describe, expect, it } from 'vitest';
import { cleanUp, runTrainer } from './end-to-end-cli.ts';

/** A Python with PyTorch; Debian's package `python3-torch` has one. */
const python = ['python3', '/usr/bin/python3'].find(
  (command) => spawnSync(command, ['-c', 'import torch, numpy'], { stdio: 'ignore' }).status === 0,
);
if (python === undefined) console.warn('skipped: no python3 with torch is installed (Debian: python3-torch)');

const work = mkdtempSync(join(tmpdir(), 'lpr-interop-'));
afterAll(() => {
  rmSync(work, { recursive: true });
  cleanUp();
});

const TIMEOUT = 120_000;

const IDS = Int32Array.from({ length: 40 }, (_, i) => (i * i * 31 + 7 * i) % 257);

const script = join(import.meta.dirname, 'parity/python/interop.py');

function torch(...args: readonly string[]): void {
  execFileSync(python!, ['-B', script, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
}

/** Logits `[tokens x vocabulary]` as PyTorch computes them in float64. */
function torchLogits(folder: string): Float64Array {
  const ids = join(work, 'ids.json');
  const out = join(work, 'logits.bin');
  writeFileSync(ids, JSON.stringify(Array.from(IDS)));
  torch('logits', folder, ids, out);
  return new Float64Array(Uint8Array.from(readFileSync(out)).buffer);
}

async function ourLogits(folder: string): Promise<Float32Array> {
  const device = await createWasmDevice({ threads: 1 });
  try {
    const decoder = await loadHuggingFace(device, folder);
    return await scope(device, () => decoder.logits(tensor(device, IDS, [1, IDS.length])).dataF32());
  } finally {
    await device.dispose();
  }
}

async function expectEqualLogits(folder: string): Promise<void> {
  const [ours, theirs] = [await ourLogits(folder), torchLogits(folder)];
  expect(ours.length).toBe(theirs.length);
  const scale = theirs.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  expect(scale).toBeGreaterThan(0.01);
  const error = ours.reduce((largest, value, i) => Math.max(largest, Math.abs(value - theirs[i]!)), 0);
  expect(error / scale).toBeLessThan(1e-5);
}

const deepseek = [
  'model.first_k_dense_replace=1',
  'model.intermediate_size=48',
  'model.q_lora_rank=12',
  'model.n_group=4',
  'model.topk_group=2',
  'model.routed_scaling_factor=2.5',
];

describe.skipIf(python === undefined)('plain PyTorch', () => {
  it.each([
    ['qwen3-moe', ['model.norm_topk_prob=false']],
    ['mixtral', []],
    ['deepseek-v3', deepseek],
  ])(
    'computes the logits of an exported %s',
    async (architecture, settings) => {
      const run = join(work, architecture);
      const exported = join(work, `${architecture}-exported`);
      const set = settings.flatMap((setting) => ['--set', setting]);
      const options = ['--preset', 'tiny', '--steps', '12', '--router', 'top-k', '--arch', architecture, ...set];
      const trained = await runTrainer(['train', ...options, '--out', run]);
      expect(trained.stderr).not.toContain('error');
      expect((await runTrainer(['export', run, exported])).code).toBe(0);
      expect(readdirSync(exported).toSorted()).toEqual([
        'config.json',
        'model.safetensors',
        'tokenizer.json',
        'tokenizer_config.json',
      ]);
      await expectEqualLogits(exported);
    },
    TIMEOUT,
  );

  const sizes = {
    vocab_size: 300,
    hidden_size: 24,
    num_hidden_layers: 3,
    num_attention_heads: 4,
    num_experts_per_tok: 3,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-6,
    rope_theta: 10_000,
  };
  it.each([
    {
      ...sizes,
      model_type: 'qwen3_moe',
      num_key_value_heads: 2,
      head_dim: 10,
      num_experts: 7,
      moe_intermediate_size: 9,
      intermediate_size: 9,
      norm_topk_prob: true,
    },
    { ...sizes, model_type: 'mixtral', num_key_value_heads: 1, num_local_experts: 5, intermediate_size: 11 },
    {
      ...sizes,
      model_type: 'deepseek_v3',
      q_lora_rank: null,
      kv_lora_rank: 11,
      qk_nope_head_dim: 6,
      qk_rope_head_dim: 4,
      v_head_dim: 5,
      intermediate_size: 20,
      first_k_dense_replace: 1,
      moe_intermediate_size: 9,
      n_routed_experts: 8,
      n_shared_experts: 2,
      n_group: 4,
      topk_group: 2,
      norm_topk_prob: true,
      routed_scaling_factor: 1.5,
    },
  ])(
    'writes a $model_type that is computed here',
    async (config) => {
      const folder = join(work, `torch-${config.model_type}`);
      mkdirSync(folder);
      writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
      torch('write', folder, '5');
      await expectEqualLogits(folder);
    },
    TIMEOUT,
  );
});
