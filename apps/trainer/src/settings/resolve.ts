/** From a preset, files and options to the settings of a run. */
import { existsSync } from 'node:fs';
import type { SourceSpec } from '@lpr/data';
import { resolveRouter, routerTraits, topKFor } from '@lpr/moe';
import { UsageError, unknownName } from '../cli/errors.ts';
import { FITTING_BATCH, fittingBatch } from '../run/fitting.ts';
import { tokenizerBeside } from '../run/tokenizer-place.ts';
import { withoutIdleCalibration } from './calibration.ts';
import { checkSettings } from './check.ts';
import { ARCHITECTURE_TABLE, type Preset, PRESETS } from './decisions.ts';
import { ownSwitches } from './decoder-config.ts';
import { withTodaysNames } from './earlier.ts';
import { isGroup, merge, type Partials, readAssignment, readConfigFile } from './merge.ts';
import { idleKeys } from './model-keys.ts';
import { routerFileOf } from './custom-routers.ts';
import { FORMULATIONS, groupOf, isCustomName, isMethod, type RouterName, ROUTERS } from './routers.ts';
import { type Architecture, ARCHITECTURES, DEVICES, type Settings, settingsSchema } from './schema.ts';

/** What the command line says; what it leaves out comes from the files, then the preset. */
export interface SettingOptions {
  /** Files of settings, or what such a file holds, each over those before it. */
  readonly config: readonly (string | Partials)[];
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
  /** Model to start from. */
  readonly from?: string;
  /** Bytes that the GPU holds in one tensor, for the batch that fits; what all promise unless given. */
  readonly largestTensor?: number;
}

/** Where neither options nor files nor the preset say otherwise. */
const DEFAULT_PRESET = 'quick';
const DEFAULTS = { seed: 0, device: 'wasm', threads: null } as const;

/**
 * The settings that a preset, files and options amount to.
 *
 * @param compared the routers of a comparison: settings that only others of them read are passed over, so that one
 *   command line serves all
 * @throws UsageError that names the option or the path, what it got and what it takes
 */
export function resolveSettings(options: SettingOptions, compared: readonly RouterName[] = []): Settings {
  if (!asksForFittingBatch(options)) return resolveWritten(options, compared);
  const withBatch = (size: number): Settings =>
    resolveWritten({ ...options, set: [...options.set, `data.batchSize=${size}`] }, compared);
  return withBatch(fittingBatch(withBatch(1), options.largestTensor));
}

/** Whether options or files leave the batch to what fits. */
export function asksForFittingBatch(options: SettingOptions): boolean {
  const { data } = askedFor(options).written;
  return isGroup(data) && data['batchSize'] === FITTING_BATCH;
}

function resolveWritten(options: SettingOptions, compared: readonly RouterName[]): Settings {
  const { preset, written } = askedFor(options);
  // A comparison names the router of each run, whatever --set says.
  const asked = compared.length === 0 ? written : merge(written, optionNames(options));
  const architecture = known('architecture', asked['architecture'] ?? preset.architecture, ARCHITECTURES);
  const name = asked['router'] ?? preset.router;
  const router = isCustomName(name) ? name : known('router', name, ROUTERS);
  known('device', asked['device'] ?? DEFAULTS.device, DEVICES);
  const settingsWith = (router: RouterName): Partials => layered(preset, architecture, router, asked, compared);

  // What only some routers of a preset or a comparison can do goes without a word for the others.
  const isAskedAlone = compared.length === 0 && isGroup(asked['training']) && 'calibration' in asked['training'];
  const settings = isAskedAlone ? settingsWith(router) : withoutIdleCalibration(settingsWith(router));
  const idle = idleKeys(settings);
  if (idle === null) return checkSettings(settings, 'settings');
  const others = compared.filter((other) => other !== router);
  const isAsked = (key: string): boolean => isGroup(asked['model']) && Object.hasOwn(asked['model'], key);
  const isReadElsewhere = (key: string): boolean =>
    others.some((other) => idleKeys(settingsWith(other))?.has(key) === false);
  // What the preset sets for routers that read it goes without a word.
  const isPassedOver = (key: string): boolean => idle.has(key) && (!isAsked(key) || isReadElsewhere(key));
  const model = Object.entries(settings['model'] as Partials).filter(([key]) => !isPassedOver(key));
  return checkSettings({ ...settings, model: Object.fromEntries(model) }, 'settings');
}

/** The router that options, files and preset name, before anything is checked: `compare` takes several in one. */
export function routerNames(options: SettingOptions): string {
  const { preset, written } = askedFor(options);
  return nameText(written['router'] ?? preset.router);
}

/** The router that options and files name; null where the preset's stands. */
export function namedRouter(options: SettingOptions): string | null {
  const named = askedFor(options).written['router'];
  return named === undefined ? null : nameText(named);
}

/** The name of the preset that options or files go over. */
export function presetName(options: SettingOptions): string {
  return askedFor(options).name;
}

/** Whether options or files set a setting, by its path, over what the preset has. */
export function isWritten(options: SettingOptions, path: string): boolean {
  const { written } = askedFor(options);
  const value = path.split('.').reduce<unknown>((at, key) => (isGroup(at) ? at[key] : undefined), written);
  return value !== undefined;
}

interface Asked {
  readonly name: string;
  readonly preset: Preset;
  /** What files and options say, without the preset. */
  readonly written: Partials;
}

function askedFor(options: SettingOptions): Asked {
  const { config, text = [], seed, device, threads, steps, from } = options;
  const files = config
    .map((file) => (typeof file === 'string' ? readConfigFile(file) : file))
    .reduce<Partials>(merge, {});
  const { preset: named, ...ofFiles } = files;
  const given = options.preset ?? named ?? DEFAULT_PRESET;
  const found = Object.entries(PRESETS).find(([known]) => known === given);
  if (found === undefined) throw unknownName('preset', nameText(given), Object.keys(PRESETS));
  const [name, preset] = found;

  const groups = {
    ...(steps === undefined ? {} : { training: { steps } }),
    ...(text.length === 0 ? {} : { data: { sources: textSources(text) } }),
  };
  let written = [optionNames(options), defined({ seed, device, threads, from }), groups].reduce<Partials>(
    merge,
    ofFiles,
  );
  const { size, data, training, evaluation } = preset;
  for (const assignment of options.set) {
    const before = merge({ size, data, training, evaluation }, written);
    written = merge(written, readAssignment(assignment, before));
  }
  return { name, preset, written: withTodaysNames(written) };
}

/** What options call architecture and router. */
function optionNames({ arch, router }: SettingOptions): Partials {
  return defined({ architecture: arch, router });
}

function defined(fields: Partials): Partials {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/**
 * From the bottom up: the router's own defaults, the preset, what the router asks of a model, what files and options
 * say. Of the groups that only other routers of a comparison read nothing is left.
 */
function layered(
  preset: Preset,
  architecture: Architecture,
  router: RouterName,
  asked: Partials,
  compared: readonly RouterName[],
): Partials {
  const { size, data, training, evaluation } = preset;
  const model = architecture === preset.architecture ? preset.model : {};
  const own = groupOf(router);
  const foreign: readonly (string | null)[] = compared.map(groupOf).filter((group) => group !== own);
  const heard = Object.fromEntries(Object.entries(asked).filter(([key]) => !foreign.includes(key)));
  const settings = [
    { ...DEFAULTS, model, size, data, training, evaluation },
    preset.withRouter[router] ?? {},
    demandsOf(router, merge({ size }, asked)['size']),
    tokenizerOfSource(asked['from']),
    heard,
    { architecture, router, ...defined({ routerFile: routerFileOf(router) }) },
  ].reduce<Partials>(merge, {});
  return own === null ? settings : merge({ [own]: routerDefaults(router, architecture, settings) }, settings);
}

/** What a router asks of a model of that size: another number of experts a token, or experts of its own kind. */
function demandsOf(router: RouterName, size: unknown): Partials {
  // What is no size is refused with all else that does not fit.
  if (!isGroup(size)) return {};
  // The shared space is as wide as an expert within, which is what its source takes.
  if (router === 'latent-experts') return { model: { expert_latent_dim: size['expertWidth'] } };
  if (!isMethod(router)) return {};
  return { size: { topK: topKFor(routerTraits(resolveRouter(router)), size as Settings['size']) } };
}

/** A model reads the tokens that it was trained on, unless files or options name a tokenizer. */
function tokenizerOfSource(from: unknown): Partials {
  // What is no path is refused with all else that does not fit.
  if (typeof from !== 'string') return {};
  if (!existsSync(from)) {
    throw new UsageError(
      `from: there is no ${from}; name the folder of a run, one of its checkpoints, or a Hugging Face folder`,
    );
  }
  const path = tokenizerBeside(from);
  return path === null ? {} : { data: { tokenizer: { path } } };
}

/** Every setting of a router's group, where nothing else is said. */
function routerDefaults(router: RouterName, architecture: Architecture, settings: Partials): object {
  const { lpr: _lpr, method: _method, balancing: _balancing, ...rest } = settings;
  const parsed = settingsSchema.safeParse(rest);
  const fitting = parsed.success ? parsed.data : null;
  const formulation = FORMULATIONS[router];
  if (formulation !== undefined) return ownSwitches(formulation, fitting);
  if (!isMethod(router)) return { auxiliaryLoss: ARCHITECTURE_TABLE[architecture].auxiliaryLoss };
  // A hash table has a row for every token.
  const vocabulary = router === 'hash' && fitting !== null ? { vocabulary: fitting.size.vocabulary } : {};
  const { kind: _kind, ...method } = resolveRouter(router, vocabulary);
  return method;
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
