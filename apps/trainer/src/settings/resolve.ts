/** From a preset, files and options to the settings of a run. */
import type { SourceSpec } from '@lpr/data';
import { latentPrototypePresets, resolveRouter, routerTraits } from '@lpr/moe';
import { unknownName } from '../cli/errors.ts';
import { PRESETS } from './presets/index.ts';
import { checkSettings } from './check.ts';
import { merge, type Partials, readAssignment, readConfigFile } from './merge.ts';
import { FORMULATIONS, groupOf, isMethod, ROUTER_GROUPS, type RouterName, ROUTERS } from './routers.ts';
import { ARCHITECTURES, DEVICES, type Settings } from './schema.ts';

/** What the command line says; what it leaves out comes from the files, then the preset. */
export interface SettingOptions {
  /** Files of settings, each over those before it. */
  readonly config: readonly string[];
  /** `path=value` each, such as `size.experts=64`; over everything else. */
  readonly set: readonly string[];
  /** Paths or globs of text, in place of what files and preset train on. */
  readonly text?: readonly string[];
  readonly preset?: string;
  readonly arch?: string;
  readonly router?: string;
  readonly seed?: number;
  readonly device?: string;
  readonly threads?: number;
  readonly steps?: number;
}

/** Where neither options nor files nor the preset say otherwise. */
const DEFAULT_PRESET = 'quick';
const DEFAULTS = {
  architecture: 'qwen3-moe',
  router: 'lpr',
  seed: 0,
  device: 'wasm',
  threads: null,
  model: {},
} as const;

/**
 * The settings that a preset, files and options amount to.
 *
 * @param compared the routers of a comparison: settings of the others are passed over, so that one command line serves
 *   all
 * @throws UsageError that names the option or the path, what it got and what it takes
 */
export function resolveSettings(options: SettingOptions, compared: readonly RouterName[] = []): Settings {
  const { preset, ...written } = writtenSettings(options);
  const chosen = merge(DEFAULTS, presetNamed(preset));
  const layers = merge(chosen, written);
  const architecture = known('architecture', layers['architecture'], ARCHITECTURES);
  const router = known('router', layers['router'], ROUTERS);
  known('device', layers['device'], DEVICES);

  let settings = merge(withRouter(chosen, architecture, router), written);
  const own = groupOf(router);
  const foreign: readonly string[] = compared.map(groupOf).filter((group) => group !== own);
  for (const assignment of options.set) {
    if (foreign.includes(assignment.split(/[.=]/)[0]!)) continue;
    settings = merge(settings, readAssignment(assignment, settings));
  }
  return checkSettings(
    Object.fromEntries(Object.entries(settings).filter(([key]) => !foreign.includes(key))),
    'settings',
  );
}

/** The router that options, files and preset name, before anything is checked: `compare` takes several in one. */
export function routerNames(options: SettingOptions): string {
  const { preset, router } = writtenSettings(options);
  return nameText(router ?? presetNamed(preset)['router'] ?? DEFAULTS.router);
}

/** What files and options say, without the preset. */
function writtenSettings(options: SettingOptions): Partials {
  const { config, text = [], preset, arch, router, seed, device, threads, steps } = options;
  const files = config.map(readConfigFile).reduce<Partials>(merge, {});
  const given = { preset, architecture: arch, router, seed, device, threads };
  const written = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const groups = {
    ...(steps === undefined ? {} : { training: { steps } }),
    ...(text.length === 0 ? {} : { data: { sources: textSources(text) } }),
  };
  return merge(merge(files, written), groups);
}

function presetNamed(name: unknown): Partials {
  const given = name ?? DEFAULT_PRESET;
  const preset = Object.entries(PRESETS).find(([known]) => known === given)?.[1];
  if (preset === undefined) throw unknownName('preset', nameText(given), Object.keys(PRESETS));
  return preset.settings;
}

/**
 * A preset's settings made fit for a router: its own group starts from the router's defaults, those of others go. A
 * method that works with one number of experts a token only gets that.
 */
function withRouter(preset: Partials, architecture: string, router: RouterName): Partials {
  const own = groupOf(router);
  const rest = Object.fromEntries(
    Object.entries(preset).filter(([key]) => key === own || !ROUTER_GROUPS.some((group) => group === key)),
  );
  const formulation = FORMULATIONS[router];
  if (formulation !== undefined) return merge({ lpr: latentPrototypePresets[formulation] }, rest);
  // DeepSeek-V3 balances by its selection bias instead.
  if (!isMethod(router)) {
    return merge({ balancing: { auxiliaryLoss: architecture === 'deepseek-v3' ? 0 : 0.001 } }, rest);
  }
  // A hash table has a row for every token.
  const size = rest['size'] as Settings['size'];
  const resolved = resolveRouter(router, router === 'hash' ? { vocabulary: size.vocabulary } : {});
  const { kind: _, ...method } = resolved;
  const { onlyTopK } = routerTraits(resolved);
  return merge(merge({ method }, rest), onlyTopK === null ? {} : { size: { topK: onlyTopK } });
}

function known<Name extends string>(kind: string, given: unknown, names: readonly Name[]): Name {
  const found = names.find((name) => name === given);
  if (found === undefined) throw unknownName(kind, nameText(given), names);
  return found;
}

/** A name as it was written; what a file has in its place otherwise, as JSON. */
function nameText(given: unknown): string {
  return typeof given === 'string' ? given : JSON.stringify(given);
}

/** Each path or glob a source of its own, whose domain is named after it. */
export function textSources(paths: readonly string[]): SourceSpec[] {
  return paths.map((path) => ({ type: 'text', paths: [path] }));
}
