/**
 * Checkpoint folders that Hugging Face transformers opens with LPR in them: beside the weights lies the code that
 * computes them there (`trust_remote_code`). Node only.
 */
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LatentPrototypeOptions } from '@lpr/moe';
import type { Decoder } from './decoder.ts';
import { type DecoderConfig, planDecoder } from './families/index.ts';
import { CODED_PREFIX } from './config.ts';
import { configJson, saveHuggingFace, type SaveOptions } from './hugging-face.ts';

/** Beside `src` and `dist`. */
const CODE = new URL('../transformers/', import.meta.url);
const CODE_FILES = ['modeling_lpr.py', 'lpr_experts.py'] as const;

/** Of the classes in that code. */
const NAMES: Readonly<Record<DecoderConfig['model_type'], string>> = {
  qwen3_moe: 'LprQwen3Moe',
  mixtral: 'LprMixtral',
  deepseek_v3: 'LprDeepseekV3',
};

/** Why transformers does not compute a model, by the key of its config; null where it does. */
export function foreignToTransformers(config: DecoderConfig): string | null {
  const { router_type: router, expert_latent_dim: latent } = config;
  if (latent !== undefined) return 'no experts with expert_latent_dim';
  return router === 'lpr' || router === 'vanilla' ? null : `no router "${router}"`;
}

/** Every switch of a model with LPR. */
function switchesOf(config: DecoderConfig): LatentPrototypeOptions {
  const routers = planDecoder(config).layers.flatMap(({ feedForward }) =>
    feedForward.kind === 'moe' && feedForward.router.kind === 'latentPrototype' ? [feedForward.router] : [],
  );
  const { kind: _, ...switches } = routers[0]!;
  return switches;
}

/**
 * As `saveHuggingFace`; a model with LPR gets the code that transformers 5 computes it with, and a config that names
 * it: `model_type` is then `lpr_...`, so that nothing takes it for the family's own.
 */
export async function saveForTransformers(decoder: Decoder, folder: string, options: SaveOptions = {}): Promise<void> {
  await saveHuggingFace(decoder, folder, options);
  const { config } = decoder;
  if (config.router_type !== 'lpr' || foreignToTransformers(config) !== null) return;
  for (const name of CODE_FILES) await copyFile(new URL(name, CODE), join(folder, name));
  await writeFile(join(folder, 'config.json'), configJson(config, codedKeys(config)));
}

/** What a config says where its code lies beside it: every switch, and where each class is. */
function codedKeys(config: DecoderConfig): object {
  const name = NAMES[config.model_type];
  const switches = switchesOf(config);
  return {
    model_type: `${CODED_PREFIX}${config.model_type}`,
    lpr_options: switches,
    // The cache of transformers holds no ids.
    ...(switches.precedingLatents && { use_cache: false }),
    architectures: [`${name}ForCausalLM`],
    auto_map: { AutoConfig: `modeling_lpr.${name}Config`, AutoModelForCausalLM: `modeling_lpr.${name}ForCausalLM` },
  };
}
