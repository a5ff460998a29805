/** From a run's settings to the decoder's configuration, with the keys of Hugging Face `config.json`. */
import { ConfigError, type DecoderConfig, parseDecoderConfig, planDecoder } from '@lpr/model';
import { type LatentPrototypeOptions, type LatentPrototypePreset, latentPrototypePresets } from '@lpr/moe';
import { ARCHITECTURE_TABLE } from './decisions.ts';
import { FORMULATIONS } from './routers.ts';
import type { Settings } from './schema.ts';

type Keys = Readonly<Record<string, unknown>>;

/**
 * @param vocabulary ids that the tokenizer gives: the rows of the embedding
 * @throws ConfigError when a size does not fit the architecture
 */
export function decoderConfig(settings: Settings, vocabulary: number): DecoderConfig {
  const { architecture, size, data, model } = settings;
  const { modelType, sizes, defaults } = ARCHITECTURE_TABLE[architecture];
  return parseDecoderConfig({
    model_type: modelType,
    vocab_size: vocabulary,
    max_position_embeddings: data.sequenceLength,
    ...Object.fromEntries(Object.entries(sizes).map(([key, field]) => [key, size[field]])),
    ...defaults(size),
    ...routingKeys(settings),
    ...model,
  });
}

/** The value of a key of `config.json`; undefined where it has none. */
export function configValue(config: DecoderConfig, key: string): unknown {
  return Object.entries(config).find(([name]) => name === key)?.[1];
}

function routingKeys({ router, routerFile, balancing, lpr, method }: Settings): Keys {
  const formulation = FORMULATIONS[router];
  if (formulation !== undefined) {
    // Every switch, although the formulation says most: its values may change one day, those of a model do not.
    return { router_type: 'lpr', lpr_formulation: formulation, lpr_options: lpr };
  }
  if (method !== undefined) {
    return { router_type: router, router_options: method, router_file_sha256: routerFile?.sha256 };
  }
  if (router === 'dense') return { router_type: router };
  const auxiliaryLoss = balancing?.auxiliaryLoss ?? 0;
  return {
    router_type: 'vanilla',
    output_router_logits: auxiliaryLoss > 0,
    router_aux_loss_coef: auxiliaryLoss,
  };
}

/**
 * Every switch of LPR where the settings say nothing of it: as the formulation has it, or as it takes it over from the
 * architecture's own router.
 *
 * @param formulation the router's
 * @param settings whose group `lpr` is not looked at; null where they do not fit (the check says why)
 */
export function ownSwitches(formulation: LatentPrototypePreset, settings: Settings | null): LatentPrototypeOptions {
  try {
    if (settings === null) return latentPrototypePresets[formulation];
    const { layers } = planDecoder(decoderConfig({ ...settings, lpr: undefined }, settings.size.vocabulary));
    const routers = layers.flatMap(({ feedForward }) => (feedForward.kind === 'moe' ? [feedForward.router] : []));
    const router = routers.find(({ kind }) => kind === 'latentPrototype');
    if (router?.kind !== 'latentPrototype') return latentPrototypePresets[formulation];
    const { kind: _, ...switches } = router;
    return switches;
  } catch (error) {
    if (error instanceof ConfigError) return latentPrototypePresets[formulation];
    throw error;
  }
}
