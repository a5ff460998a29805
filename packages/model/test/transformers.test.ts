/** What is written for transformers to open, and that it stays a folder of ours. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createWasmDevice } from '@lpr/tensor';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDecoder, type DecoderConfig } from '../src/index.ts';
import { loadHuggingFace, saveForTransformers } from '../src/node.ts';
import { familyConfig } from './support.ts';

const device = await createWasmDevice({ threads: 0 });
afterAll(() => device.dispose());

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lpr-transformers-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Writes a fresh model; gives its config.json. */
async function saved(config: DecoderConfig): Promise<string> {
  const decoder = createDecoder(device, config, { seed: 3 });
  await saveForTransformers(decoder, folder);
  decoder.dispose();
  return await readFile(join(folder, 'config.json'), 'utf8');
}

const PLAIN = ['config.json', 'model.safetensors'];

describe('saveForTransformers', () => {
  it.each([
    ['qwen3_moe', 'LprQwen3Moe'],
    ['mixtral', 'LprMixtral'],
    ['deepseek_v3', 'LprDeepseekV3'],
  ] as const)(
    'writes LPR of %s with its code, under no name of transformers, and reads it back',
    async (family, name) => {
      const config = familyConfig(family, { router_type: 'lpr', lpr_formulation: 'official' });
      const json = JSON.parse(await saved(config)) as Record<string, unknown>;
      expect((await readdir(folder)).toSorted()).toEqual([...PLAIN, 'lpr_experts.py', 'modeling_lpr.py'].toSorted());
      expect(json).toMatchObject({
        model_type: `lpr_${family}`,
        architectures: [`${name}ForCausalLM`],
        auto_map: { AutoConfig: `modeling_lpr.${name}Config`, AutoModelForCausalLM: `modeling_lpr.${name}ForCausalLM` },
        lpr_options: { outProjection: true, measure: 'cosine', selectionBiasRate: 0 },
      });
      const code = await readFile(join(folder, 'modeling_lpr.py'), 'utf8');
      expect(code).toContain(`class ${name}ForCausalLM(`);
      expect(code).toContain(`model_type = "lpr_${family}"`);
      const decoder = await loadHuggingFace(device, folder);
      expect(decoder.config.model_type).toBe(family);
      expect(decoder.config).not.toHaveProperty('auto_map');
      decoder.dispose();
    },
  );

  it.each([{}, { router_type: 'sinkhorn' }, { router_type: 'lpr', expert_latent_dim: 4 }])(
    'writes %j as it is, without code',
    async (keys) => {
      const json = JSON.parse(await saved(familyConfig('qwen3_moe', keys))) as Record<string, unknown>;
      expect(json['model_type']).toBe('qwen3_moe');
      expect((await readdir(folder)).toSorted()).toEqual(PLAIN);
    },
  );

  it('writes numbers with a point where transformers takes no whole ones', async () => {
    const text = await saved(familyConfig('mixtral', { router_jitter_noise: 0, rope_theta: 10_000 }));
    expect(text).toContain('"router_jitter_noise": 0.0');
    expect(text).toContain('"rope_theta": 10000.0');
    expect(text).toMatch(/"vocab_size": \d+,/);
  });
});
