/**
 * Models with LPR in Hugging Face transformers: what is exported opens there with the code beside it, and computes what
 * it computes here. That code without transformers, where only PyTorch is installed, is held to the router alone.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDecoder, type Decoder, parseDecoderConfig } from '@lpr/model';
import { foreignToTransformers, loadHuggingFace, saveForTransformers } from '@lpr/model/node';
import { assign, createWasmDevice, type Device, RandomKey, randomNormal, scope, tensor } from '@lpr/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** A Python in which a program ends well; LPR_PYTHON may name one. */
const pythonFor = (program: string): string | undefined =>
  [process.env['LPR_PYTHON'] ?? 'python3', 'python3', '/usr/bin/python3'].find(
    (command) => spawnSync(command, ['-c', program], { stdio: 'ignore' }).status === 0,
  );
// Looked for, not imported, which takes half a minute.
const withTransformers = pythonFor(
  'from importlib.metadata import version; assert int(version("transformers").split(".")[0]) >= 5; version("torch")',
);
const withTorch = pythonFor('import torch, numpy');
if (withTransformers === undefined)
  console.warn('skipped: no python3 with torch and transformers 5 (LPR_PYTHON names one)');
if (withTorch === undefined) console.warn('skipped: no python3 with torch is installed (Debian: python3-torch)');

const scripts = join(import.meta.dirname, 'parity/transformers');
const work = mkdtempSync(join(tmpdir(), 'lpr-transformers-'));
const IDS = Int32Array.from({ length: 24 }, (_, i) => (i * i * 31 + 7 * i) % 97);

let device: Device;
beforeAll(async () => {
  device = await createWasmDevice({ threads: 1 });
});
afterAll(async () => {
  await device.dispose();
  rmSync(work, { recursive: true });
});

const sizes = {
  vocab_size: 97,
  hidden_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_experts_per_tok: 3,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-6,
  rope_theta: 10_000,
};
const qwen = {
  ...sizes,
  ...{ model_type: 'qwen3_moe', num_key_value_heads: 2, head_dim: 10, intermediate_size: 9 },
  ...{ num_experts: 8, moe_intermediate_size: 9 },
};
const mixtral = {
  ...sizes,
  model_type: 'mixtral',
  num_key_value_heads: 1,
  num_local_experts: 8,
  intermediate_size: 11,
};
const deepseek = {
  ...sizes,
  ...{ model_type: 'deepseek_v3', q_lora_rank: null, kv_lora_rank: 11, qk_nope_head_dim: 6, qk_rope_head_dim: 4 },
  ...{ v_head_dim: 5, intermediate_size: 20, first_k_dense_replace: 1, moe_intermediate_size: 9, n_routed_experts: 8 },
  ...{ n_shared_experts: 2, n_group: 4, topk_group: 2, routed_scaling_factor: 1.5 },
};

/** Architecture, formulation of LPR or the family's own router, and switches. */
const CASES: readonly (readonly [string, object, string, object])[] = [
  ['Qwen3-MoE', qwen, 'corrected', {}],
  ['Qwen3-MoE', qwen, 'official', {}],
  ['Qwen3-MoE', qwen, 'paper', {}],
  ['Mixtral', mixtral, 'corrected', {}],
  ['DeepSeek-V3', deepseek, 'corrected', {}],
  ['Qwen3-MoE', qwen, 'tokens', {}],
  ['Mixtral', mixtral, 'tokens', {}],
  ['DeepSeek-V3', deepseek, 'tokens', {}],
  ['Qwen3-MoE', qwen, 'tokens', { precedingLatents: true }],
  ['Mixtral', mixtral, 'tokens', { precedingLatents: true }],
  ['DeepSeek-V3', deepseek, 'tokens', { precedingLatents: true }],
  ['Qwen3-MoE', qwen, 'own', {}],
  ['Mixtral', mixtral, 'own', {}],
  ['DeepSeek-V3', deepseek, 'own', {}],
  ...(['dotProduct', 'gaussianKernel', 'mahalanobis', 'attention'] as const).map(
    (measure) => ['Qwen3-MoE', qwen, 'corrected', { measure }] as const,
  ),
  ...(['wasserstein', 'kl', 'js', 'hellinger'] as const).flatMap((measure) => [
    ['Qwen3-MoE', qwen, 'official', { measure, outProjection: true, ema: 'official' }] as const,
    ['Mixtral', mixtral, 'paper', { measure }] as const,
  ]),
];

/** A decoder none of whose weights is what it starts as, so that each of them matters. */
function randomDecoder(config: object, formulation: string, options: object): Decoder {
  const lpr = { router_type: 'lpr', lpr_formulation: formulation, lpr_options: { latentDim: 6, ...options } };
  const routed = formulation === 'own' ? config : { ...config, ...lpr };
  const decoder = createDecoder(device, parseDecoderConfig(routed), { seed: 0 });
  const key = RandomKey.fromSeed(5);
  for (const [name, each] of [...decoder.parameters, ...decoder.buffers]) {
    scope(device, () =>
      assign(each, randomNormal(device, each.shape, key.fold(name), name.includes('logvar') ? 0.1 : 0.4)),
    );
  }
  return decoder;
}

/** Exports a decoder; what the folder holds with its code is ours too, and is what `read` is asked of. */
async function exported(
  [, config, formulation, options]: (typeof CASES)[number],
  read: (decoder: Decoder) => Promise<Float32Array>,
): Promise<{ folder: string; ours: Float32Array }> {
  const folder = mkdtempSync(join(work, 'model-'));
  const decoder = randomDecoder(config, formulation, options);
  await saveForTransformers(decoder, folder);
  decoder.dispose();
  const loaded = await loadHuggingFace(device, folder);
  const ours = await scope(device, () => read(loaded));
  loaded.dispose();
  return { folder, ours };
}

/** What a script of `parity/transformers` says of folders; all at once, since Python takes its time to start. */
function computed(python: string, script: string, input: unknown, folders: readonly string[]): Float64Array[] {
  const file = join(work, 'input.json');
  writeFileSync(file, JSON.stringify(input));
  execFileSync(python, ['-B', join(scripts, `${script}.py`), file, ...folders], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      ...{ HF_HUB_OFFLINE: '1', HF_HOME: join(work, 'cache') },
      ...{ HF_HUB_DISABLE_PROGRESS_BARS: '1', TRANSFORMERS_VERBOSITY: 'error' },
    },
  });
  return folders.map((folder) => new Float64Array(Uint8Array.from(readFileSync(join(folder, `${script}.bin`))).buffer));
}

function expectClose(ours: Float32Array, theirs: Float64Array, what: string): void {
  expect(ours.length, what).toBe(theirs.length);
  const error = ours.reduce((largest, value, i) => Math.max(largest, Math.abs(value - theirs[i]!)), 0);
  expect(Math.max(...theirs)).toBeGreaterThan(0.1);
  expect(error, what).toBeLessThan(1e-4);
}

describe.skipIf(withTransformers === undefined)('transformers', { timeout: 300_000 }, () => {
  it('computes the logits of what is exported, in every architecture, formulation and measure', async () => {
    const all = [];
    for (const own of CASES) {
      all.push(await exported(own, (decoder) => decoder.logits(tensor(device, IDS, [1, IDS.length])).dataF32()));
    }
    const ids = Array.from(IDS);
    const folders = all.map(({ folder }) => folder);
    const theirs = computed(withTransformers!, 'logits', ids, folders);
    all.forEach(({ ours }, i) => expectClose(ours, theirs[i]!, JSON.stringify(CASES[i])));
  });
});

describe.skipIf(withTorch === undefined)('the code beside an exported model', { timeout: 300_000 }, () => {
  it('computes with plain PyTorch what the experts make of tokens', async () => {
    const rows = Array.from({ length: 30 }, (_, t) =>
      Array.from({ length: 24 }, (__, i) => 2 * Math.sin(1 + 3 * t + 7 * i * i)),
    );
    const tokenIds = tensor(
      device,
      Int32Array.from(rows, (_, t) => t % 97),
      [30],
    );
    const cases = CASES.filter(([, , formulation]) => formulation !== 'own');
    const all = [];
    for (const own of cases) {
      const read = (decoder: Decoder): Promise<Float32Array> =>
        decoder.mixtures
          .at(-1)!
          .forward(tensor(device, rows.flat(), [30, 24]), { training: false, tokenIds })
          .output.dataF32();
      all.push(await exported(own, read));
    }
    const folders = all.map(({ folder }) => folder);
    const theirs = computed(withTorch!, 'experts', rows, folders);
    all.forEach(({ ours }, i) => expectClose(ours, theirs[i]!, JSON.stringify(cases[i])));
  });
});

it('lets no model pass for one of transformers that it does not have', () => {
  const of = (keys: object): string | null => foreignToTransformers(parseDecoderConfig({ ...qwen, ...keys }));
  expect(of({})).toBeNull();
  expect(of({ router_type: 'lpr' })).toBeNull();
  expect(of({ router_type: 'sinkhorn' })).toBe('no router "sinkhorn"');
  expect(of({ router_type: 'lpr', expert_latent_dim: 4 })).toBe('no experts with expert_latent_dim');
});
