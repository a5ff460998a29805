/** The paper's tables as comparisons: each row a run, the size of the models and their text as options say. */
import type { LatentPrototypeOptions } from '@lpr/moe';
import { settingTexts } from '@lpr/runs';
import { UsageError, unknownName } from '../cli/errors.ts';
import { ABLATION_STEPS, counterpartOf } from '../settings/decisions.ts';
import type { Comparison } from './comparison.ts';
import { PAPER_TABLES, type PaperRow, type PaperTableNumber } from './paper.ts';
import { isWritten, namedRouter, presetName, resolveSettings, type SettingOptions } from '../settings/resolve.ts';
import type { RouterName } from '../settings/routers.ts';
import type { Architecture, Settings } from '../settings/schema.ts';

/**
 * Tables as they are named on the command line: numbers, or "all".
 *
 * @throws UsageError for others, or one twice
 */
export function tableNumbers(names: readonly string[]): PaperTableNumber[] {
  const known = Object.keys(PAPER_TABLES);
  const chosen = names.includes('all') ? known : names;
  const unknown = chosen.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UsageError(`unknown table "${unknown}". Known: ${known.join(', ')}, all`);
  return [...new Set(chosen)].map((name) => Number(name) as PaperTableNumber);
}

/** A formulation of LPR as it is reproduced. */
export interface Formulation {
  readonly router: RouterName;
  /** What is changed of it in every row. */
  readonly lpr: Partial<LatentPrototypeOptions>;
}

/** By the names that `--formulations` takes, in the order of the tables. */
export const REPRODUCED: Readonly<Record<string, Formulation>> = {
  paper: { router: 'lpr-paper', lpr: {} },
  official: { router: 'lpr-official', lpr: {} },
  corrected: { router: 'lpr', lpr: {} },
  // The paper has no selection bias, and it balances by itself.
  'no-bias': { router: 'lpr', lpr: { selectionBiasRate: 0 } },
};

/**
 * The formulations that options name: those of a list, the one that a router is, or all.
 *
 * @throws UsageError for others, one twice, both a list and a router, or another router than LPR
 */
export function formulationNames(options: SettingOptions, list?: string): string[] {
  const router = namedRouter(options);
  if (list === undefined) {
    if (router === null) return Object.keys(REPRODUCED);
    const found = Object.keys(REPRODUCED).find((name) => REPRODUCED[name]!.router === router);
    if (found !== undefined) return [found];
    const known = new Set(Object.values(REPRODUCED).map((each) => each.router));
    throw new UsageError(
      `--router ${router}: the tables are about LPR; name one of its formulations: ${[...known].join(', ')}`,
    );
  }
  if (options.router !== undefined) {
    throw new UsageError(`--formulations ${list}: --router ${options.router} names one already; leave one of them out`);
  }
  const names = list.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !Object.hasOwn(REPRODUCED, name));
  if (unknown !== undefined) throw unknownName('formulation', unknown, Object.keys(REPRODUCED));
  if (new Set(names).size < names.length) throw new UsageError(`--formulations ${list}: name each once`);
  return names;
}

/**
 * The runs of some tables in some formulations. Rows that come to the same settings share one.
 *
 * @param formulations names of REPRODUCED
 * @throws UsageError as resolveSettings
 */
export function reproductionOf(
  numbers: readonly PaperTableNumber[],
  options: SettingOptions,
  formulations: readonly string[],
): Pick<Comparison, 'runs' | 'tables'> {
  const { architecture } = resolveSettings(options);
  const runs = new Map<string, Settings>();
  const nameOf = new Map<string, string>();
  const tables = numbers.map((number) => {
    const rows = formulations.map((formulation) => {
      const names = PAPER_TABLES[number].rows.map((row) => {
        const { name, settings } = runOf(row, REPRODUCED[formulation]!, options, architecture, number);
        const key = JSON.stringify(settingTexts(settings).toSorted());
        const known = nameOf.get(key) ?? name;
        nameOf.set(key, known);
        runs.set(known, settings);
        return known;
      });
      return [formulation, names] as const;
    });
    return [number, new Map(rows)] as const;
  });
  return { runs, tables: new Map(tables) };
}

/**
 * A row's settings, and what tells them from those that the options name: "lpr", "lpr,latentDim=4", "mixtral,top-k".
 *
 * @param architecture that the options come to
 */
function runOf(
  row: PaperRow,
  formulation: Formulation,
  options: SettingOptions,
  architecture: Architecture,
  table: PaperTableNumber,
): { name: string; settings: Settings } {
  const { architecture: arch = architecture } = row;
  const router = row.isOwnRouter ? 'top-k' : formulation.router;
  const preset = counterpartOf(presetName(options), arch, router);
  // What is set of LPR is passed over where a row has the architecture's own router.
  const resolve = (set: readonly string[]): Settings =>
    resolveSettings({ ...options, preset, arch, router, set: [...options.set, ...set] }, [router, formulation.router]);
  const before = resolve([]);
  const { lpr, size } = changesOf(row, formulation, before);
  const training = table === 1 ? {} : ablationTraining(preset, options);
  const changes = [
    ...changed('lpr', lpr, before.lpr),
    ...changed('size', size, before.size),
    ...changed('training', training, before.training),
  ];
  const words = [
    ...(arch === architecture ? [] : [arch]),
    router,
    ...changes.map((change) => change.slice(change.indexOf('.') + 1)),
  ];
  return { name: words.join(','), settings: changes.length === 0 ? before : resolve(changes) };
}

/**
 * The paper trains 1B tokens for table 1, which is what presets of its models do, and 100M for a row of the others:
 * those get that many steps, unless somebody asked for a number of steps.
 */
function ablationTraining(preset: string, options: SettingOptions): Partial<Settings['training']> {
  const isPapers = preset.startsWith('paper/');
  return isPapers && !isWritten(options, 'training.steps') ? { steps: ABLATION_STEPS } : {};
}

function changesOf(
  { lpr, size, strengthFactor, isOwnRouter }: PaperRow,
  formulation: Formulation,
  before: Settings,
): { lpr: Partial<LatentPrototypeOptions>; size: Partial<Settings['size']> } {
  const strength = strengthFactor === undefined ? {} : { strength: strengthFactor * before.lpr!.strength };
  return { lpr: isOwnRouter ? {} : { ...formulation.lpr, ...lpr, ...strength }, size: size ?? {} };
}

/** As `--set` takes them; without those that change nothing. */
function changed(group: string, fields: object, before: object | undefined): string[] {
  const known = new Map(Object.entries(before ?? {}));
  return Object.entries(fields)
    .filter(([field, value]) => known.get(field) !== value)
    .map(([field, value]) => `${group}.${field}=${value}`);
}
