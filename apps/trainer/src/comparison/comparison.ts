/**
 * Several runs that are set side by side: those of a sweep, or of a command that makes their list, which differ in
 * their router or seed, or are rows of the paper's tables. Their folder holds `sweep.yaml` (the settings of each run),
 * a run folder for each, and in the end `summary.json` and pictures in `figures/`.
 */
import {
  createComparison as createComparisonFolder,
  readComparison as readStoredComparison,
  settingName,
  sweepFile,
} from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';
import { checkStoredSettings } from '../settings/check.ts';
import { FORMULATIONS } from '../settings/routers.ts';
import type { Settings } from '../settings/schema.ts';
import { PAPER_TABLES, type PaperTableNumber } from './paper.ts';

export interface Comparison {
  /** By the name of the run's folder. */
  readonly runs: ReadonlyMap<string, Settings>;
  /** The name of the setting that others are compared with; null where tables have their own, or there is only one. */
  readonly baseline: string | null;
  /** Of the paper: by formulations, for each row the name of its setting. None: the settings are set side by side. */
  readonly tables: ReadonlyMap<PaperTableNumber, FormulationRows>;
}

export type FormulationRows = ReadonlyMap<string, readonly string[]>;

/**
 * The name of each run's setting: its own, or without the seed where a comparison has several and its runs are named by
 * them.
 */
export function settingNames({ runs }: Pick<Comparison, 'runs'>): Map<string, string> {
  const own = new Map(Array.from(runs.keys(), (name) => [name, name]));
  const stripped = new Map(Array.from(runs, ([name, { seed }]) => [name, settingName(name, seed)]));
  const hasSeveral = new Set(Array.from(runs.values(), ({ seed }) => seed)).size > 1;
  const areNamedBySeeds = Array.from(stripped).every(([run, setting]) => run !== setting);
  return hasSeveral && areNamedBySeeds ? withoutMixed(stripped, runs) : own;
}

/** A name may end like a seed by chance, "width-0" beside "width-1": such runs keep theirs where more differs. */
function withoutMixed(names: Map<string, string>, runs: Comparison['runs']): Map<string, string> {
  const kinds = new Map<string, Set<string>>();
  for (const [run, setting] of names) {
    const kind = JSON.stringify({ ...runs.get(run)!, seed: null });
    kinds.set(setting, (kinds.get(setting) ?? new Set()).add(kind));
  }
  const isMixed = (setting: string): boolean => kinds.get(setting)!.size > 1;
  if (!Array.from(names.values()).some(isMixed)) return names;
  // Once more: a name that is kept may be that of another setting, too.
  return withoutMixed(new Map(Array.from(names, ([run, name]) => [run, isMixed(name) ? run : name])), runs);
}

/** The runs of each setting, by its name, in the order of their first runs. */
export function runsOfSettings(comparison: Pick<Comparison, 'runs'>): Map<string, readonly string[]> {
  const settings = new Map<string, string[]>();
  for (const [run, name] of settingNames(comparison)) settings.set(name, [...(settings.get(name) ?? []), run]);
  return settings;
}

/**
 * Makes the folder of a comparison.
 *
 * @throws Error when something is there already
 */
export async function createComparison(folder: string, { runs, baseline, tables }: Comparison): Promise<void> {
  await createComparisonFolder(folder, {
    runs: Object.fromEntries(runs),
    ...(baseline !== null && { baseline }),
    tables: Object.fromEntries(Array.from(tables, ([number, rows]) => [number, Object.fromEntries(rows)])),
  });
}

/**
 * The comparison in a folder; null when it holds none.
 *
 * @throws Error when its file is damaged; UsageError when the settings of a run are, or a table has other rows than the
 *   paper's
 */
export async function readComparison(folder: string): Promise<Comparison | null> {
  const stored = await readStoredComparison(folder);
  if (stored === null) return null;
  const path = sweepFile(folder);
  const runs = new Map(
    Object.entries(stored.runs).map(
      ([name, settings]) => [name, checkStoredSettings(settings, `${path}, run ${name}`)] as const,
    ),
  );
  const tables = Object.entries(stored.tables).map(([number, formulations]) => {
    const table = Number(number) as PaperTableNumber;
    const rows = PAPER_TABLES[table]?.rows.length;
    if (Object.values(formulations).some((names) => names.length !== rows)) {
      throw new UsageError(
        `${path} is damaged: table ${number} must name a run for every row that it has in the paper`,
      );
    }
    const named = Object.entries(formulations).map(
      ([formulation, names]) => [formulation || formulationOf(runs), names] as const,
    );
    return [table, new Map(named)] as const;
  });
  // Earlier versions named no baseline, and compared all with the architecture's own router.
  const { baseline = tables.length === 0 && runs.has('top-k') ? 'top-k' : null } = stored;
  return { runs, baseline, tables: new Map(tables) };
}

/** That of the one router of LPR among the runs of an earlier version. */
function formulationOf(runs: ReadonlyMap<string, Settings>): string {
  const found = Array.from(runs.values(), ({ router }) => FORMULATIONS[router]).find((name) => name !== undefined);
  return found ?? 'corrected';
}
