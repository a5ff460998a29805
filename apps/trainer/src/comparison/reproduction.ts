/** The paper's tables as comparisons: each row a run, the size of the models and their text as options say. */
import type { LatentPrototypeOptions } from '@lpr/moe';
import type { Comparison } from './comparison.ts';
import { UsageError } from '../cli/errors.ts';
import { ABLATION_STEPS, counterpartOf, PRESETS } from '../settings/decisions.ts';
import { PAPER_TABLES, type PaperRow, type PaperTableNumber } from './paper.ts';
import { presetName, resolveSettings, routerNames, type SettingOptions } from '../settings/resolve.ts';
import { FORMULATIONS, type RouterName } from '../settings/routers.ts';
import type { Settings } from '../settings/schema.ts';

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

/**
 * The runs of some tables. Rows that come to the same settings share one.
 *
 * @throws UsageError when the options name another router than LPR, and as resolveSettings
 */
export function reproductionOf(numbers: readonly PaperTableNumber[], options: SettingOptions): Comparison {
  const router = routerNames(options) as RouterName;
  if (FORMULATIONS[router] === undefined) {
    throw new UsageError(
      `--router ${router}: the tables are about LPR; name one of its formulations: ${Object.keys(FORMULATIONS).join(', ')}`,
    );
  }
  const runs = new Map<string, Settings>();
  const tables = new Map<PaperTableNumber, readonly string[]>();
  for (const number of numbers) {
    const names = PAPER_TABLES[number].rows.map((row) => {
      const { name, settings } = runOf(row, router, options, number);
      runs.set(name, settings);
      return name;
    });
    tables.set(number, names);
  }
  return { runs, tables };
}

/**
 * A row's settings, and what tells them from those that the options name: "lpr", "lpr,latentDim=4", "mixtral,top-k".
 */
function runOf(
  row: PaperRow,
  formulation: RouterName,
  options: SettingOptions,
  table: PaperTableNumber,
): { name: string; settings: Settings } {
  const { architecture } = resolveSettings(options);
  const { architecture: arch = architecture } = row;
  const router = row.isOwnRouter ? 'top-k' : formulation;
  const preset = counterpartOf(presetName(options), arch, router);
  // What is set of LPR is passed over where a row has the architecture's own router.
  const resolve = (set: readonly string[]): Settings =>
    resolveSettings({ ...options, preset, arch, router, set: [...options.set, ...set] }, [router, formulation]);
  const before = resolve([]);
  const { lpr, size } = changesOf(row, before);
  const training = table === 1 ? {} : ablationTraining(preset, options, before);
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
  return { name: words.join(','), settings: resolve(changes) };
}

/**
 * The paper trains 1B tokens for table 1, which is what presets of its models do, and 100M for a row of the others:
 * those get that many steps, unless somebody asked for a number of steps.
 */
function ablationTraining(
  preset: string,
  { steps, set }: SettingOptions,
  { training }: Settings,
): Partial<Settings['training']> {
  const isAsked = steps !== undefined || set.some((assignment) => assignment.startsWith('training.steps='));
  const isPapers = preset.startsWith('paper/') && training.steps === PRESETS[preset]!.training.steps;
  return isPapers && !isAsked ? { steps: ABLATION_STEPS } : {};
}

function changesOf(
  { lpr, size, strengthFactor }: PaperRow,
  before: Settings,
): { lpr: Partial<LatentPrototypeOptions>; size: Partial<Settings['size']> } {
  const strength = strengthFactor === undefined ? {} : { strength: strengthFactor * before.lpr!.strength };
  return { lpr: { ...lpr, ...strength }, size: size ?? {} };
}

/** As `--set` takes them; without those that change nothing. */
function changed(group: string, fields: object, before: object | undefined): string[] {
  const known = new Map(Object.entries(before ?? {}));
  return Object.entries(fields)
    .filter(([field, value]) => known.get(field) !== value)
    .map(([field, value]) => `${group}.${field}=${value}`);
}
