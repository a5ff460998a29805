/**
 * The group `model`: which keys of `config.json` it may set. Not those that another setting decides, and not those that
 * would change nothing with this architecture and this router.
 */
import { ConfigError, type DecoderConfig, keptKeys, keysInUse, releasedKeys } from '@lpr/model';
import { ARCHITECTURE_TABLE, PRESETS } from './decisions.ts';
import { decoderConfig } from './decoder-config.ts';
import { type Fault, shown } from './faults.ts';
import { isGroup, type Partials } from './merge.ts';
import { type Architecture, type Settings, settingsSchema } from './schema.ts';

/** Keys that other settings decide, and the path of each. */
export function decidedKeys(architecture: Architecture): Readonly<Record<string, string>> {
  return {
    model_type: 'architecture',
    vocab_size: 'size.vocabulary',
    max_position_embeddings: 'data.sequenceLength',
    ...below('size', ARCHITECTURE_TABLE[architecture].sizes),
    router_type: 'router',
    output_router_logits: 'balancing.auxiliaryLoss',
    router_aux_loss_coef: 'balancing.auxiliaryLoss',
    router_options: 'method',
    router_file_sha256: 'routerFile.sha256',
    lpr_options: 'lpr',
    lpr_formulation: 'router',
    SimilarityMetrics: 'lpr.measure',
    ...below('lpr', releasedKeys),
  };
}

function below(group: string, fields: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, `${group}.${field}`]));
}

/** Faults that are seen before there is a config. */
export function decidedFaults({ architecture, model }: Settings): Fault[] {
  const decided = decidedKeys(architecture);
  return Object.entries(model)
    .filter(([key]) => Object.hasOwn(decided, key))
    .map(([key, value]) => ({
      path: `model.${key}`,
      problem: `got ${shown(value)}, but it is decided by ${decided[key]}; set that instead`,
    }));
}

/** Keys that change nothing, since the router does not read them or the group `lpr` says something else. */
export function idleFaults(settings: Settings, config: DecoderConfig): Fault[] {
  return Array.from(problemsOf(settings, config), ([key, problem]) => ({ path: `model.${key}`, problem }));
}

/** What is wrong with the keys of `model` that change nothing. */
function problemsOf(settings: Settings, config: DecoderConfig): ReadonlyMap<string, string> {
  const { architecture, router, model, lpr } = settings;
  const inUse = keysInUse(config);
  const kept = new Map(Object.entries(keptKeys(config.model_type)));
  const problems = new Map<string, string>();
  for (const [key, value] of Object.entries(model)) {
    const switched = kept.get(key);
    if (!inUse.has(key)) {
      const reader = `the architecture ${architecture} and the router ${router}`;
      problems.set(key, `got ${shown(value)}, but nothing reads it with ${reader}; leave it out`);
    } else if (lpr !== undefined && switched !== undefined && lpr[switched] !== value) {
      const decider = `lpr.${switched}, which decides it with the router ${router}`;
      problems.set(key, `got ${shown(value)}, but ${decider}, is ${shown(lpr[switched])}; set one of the two`);
    }
  }
  return problems;
}

/** The keys of `model` that change nothing; null where the settings do not fit (the check says why). */
export function idleKeys(value: unknown): ReadonlySet<string> | null {
  const parsed = settingsSchema.safeParse(value);
  if (!parsed.success) return null;
  try {
    return new Set(problemsOf(parsed.data, decoderConfig(parsed.data, parsed.data.size.vocabulary)).keys());
  } catch (error) {
    if (error instanceof ConfigError) return null;
    throw error;
  }
}

/**
 * Stored settings without the keys that presets of earlier versions set for every router, where they change nothing
 * with this one. Other keys that change nothing stay, to be refused by name.
 */
export function withoutIdlePresetKeys(value: Partials): Partials {
  const idle = idleKeys(value);
  const { model } = value;
  if (idle === null || !isGroup(model)) return value;
  const ofPresets = new Set(Object.values(PRESETS).flatMap((preset) => Object.keys(preset.model)));
  const rest = Object.entries(model).filter(([key]) => !(idle.has(key) && ofPresets.has(key)));
  return { ...value, model: Object.fromEntries(rest) };
}
