/**
 * Decoder configs with the keys of Hugging Face `config.json`, checked as a whole: every wrong field is reported with
 * what was got and what was expected, every unknown one with the known key nearest to it.
 */
import { closest, distance } from 'fastest-levenshtein';
import { type DecoderConfig, familyOf, modelTypes, planDecoder } from './families/index.ts';
import { shown } from '@lpr/moe';

/** Before the model type where code for transformers lies beside the weights (transformers.ts). */
export const CODED_PREFIX = 'lpr_';

/** All problems of a config, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * A config with its defaults filled in, from parsed JSON.
 *
 * @throws ConfigError that names every field that is wrong, missing or unknown.
 */
export function parseDecoderConfig(given: unknown): DecoderConfig {
  const uncoded = withoutCode(given);
  const family =
    typeof uncoded === 'object' && uncoded !== null ? (uncoded as Record<string, unknown>)['model_type'] : undefined;
  if (typeof family !== 'string' || !modelTypes.includes(family)) {
    throw new ConfigError(`config: model_type: got ${shown(family)}, expected one of ${modelTypes.join(', ')}`);
  }
  const { schema, expertsKey } = familyOf(family as DecoderConfig['model_type']);
  const json = withOneName(uncoded as Readonly<Record<string, unknown>>, expertsKey);
  const result = schema.safeParse(json);
  if (result.success) {
    const config = result.data as unknown as DecoderConfig;
    try {
      planDecoder(config);
    } catch (error) {
      // The one nested part: settings of the router that do not fit.
      const field = config.router_type === 'lpr' ? 'lpr_options' : 'router_options';
      throw new ConfigError(`config: ${field}: ${(error as Error).message}`, { cause: error });
    }
    return config;
  }
  const known = Object.keys(schema.shape);
  const problems = result.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) =>
          issue.path.length > 0
            ? `${[...issue.path, key].join('.')} is not a key of ${family} configs`
            : `${key} is not a key of ${family} configs${hint(key, known)}`,
        )
      : [`${issue.path.join('.')}: got ${shown(valueAt(json, issue.path))}, expected ${issue.message}`],
  );
  throw new ConfigError(problems.map((problem) => `config: ${problem}`).join('\n'));
}

/** The known key that was meant, where one is near enough that it may have been. */
function hint(key: string, known: readonly string[]): string {
  const nearest = closest(key, known);
  return distance(key, nearest) <= Math.max(2, key.length / 3) ? `; did you mean ${nearest}?` : '';
}

/** What versions of transformers call the number of experts of a layer, whatever the family calls it. */
const EXPERTS_NAMES = ['num_experts', 'num_local_experts'];

/**
 * The number of experts under the family's own key alone.
 *
 * @throws ConfigError where two keys say two numbers
 */
function withOneName(json: Readonly<Record<string, unknown>>, key: string): Readonly<Record<string, unknown>> {
  const config: Record<string, unknown> = { ...json };
  for (const other of EXPERTS_NAMES.filter((name) => name !== key && Object.hasOwn(json, name))) {
    if (config[key] !== undefined && config[key] !== config[other]) {
      throw new ConfigError(
        `config: ${other}: got ${shown(config[other])}, expected what ${key} says, ${shown(config[key])}; leave one of the two out`,
      );
    }
    config[key] = config[other];
    delete config[other];
  }
  return config;
}

/** The config with another number of experts in each layer, of which a method that uses all still does. */
export function withExperts(config: DecoderConfig, experts: number): DecoderConfig {
  const { expertsKey } = familyOf(config.model_type);
  const all = config.num_experts_per_tok === (config as unknown as Readonly<Record<string, number>>)[expertsKey];
  return parseDecoderConfig({
    ...config,
    [expertsKey]: experts,
    num_experts_per_tok: all ? experts : config.num_experts_per_tok,
  });
}

/** The config of a folder with code for transformers, as it is without. */
function withoutCode(json: unknown): unknown {
  if (typeof json !== 'object' || json === null || !('model_type' in json)) return json;
  const { model_type: type } = json;
  if (typeof type !== 'string' || !type.startsWith(CODED_PREFIX)) return json;
  const { auto_map: _, ...config } = json as Readonly<Record<string, unknown>>;
  return { ...config, model_type: type.slice(CODED_PREFIX.length) };
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], json);
}
