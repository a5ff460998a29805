/** How the runs of figures are told apart, the same in all of them: colours for some, grey for the rest. */
import { type Look, MOST_COLOURS } from '@lpr/charts';
import type { RunParts } from './parts.ts';

export interface LookChoice {
  /** What the colour of each run stands for, such as the value of a setting. Default: its setting, else its name. */
  readonly entries?: readonly (string | undefined)[];
  /** The entries that have a colour, at its place; '' leaves one free. Default: the first ones. */
  readonly chosen?: readonly string[];
}

/** What the colour of each run stands for. */
export function entriesOf(
  runs: readonly { readonly name: string; readonly setting?: string | undefined }[],
  entries: LookChoice['entries'] = [],
): string[] {
  return runs.map(({ name, setting }, i) => entries[i] ?? setting ?? name);
}

/** What the colour of each run stands for where that is a setting. @param settings of each run, by their paths */
export function settingEntries(settings: readonly ReadonlyMap<string, string>[], path: string): string[] {
  return settings.map((own) => `${path} ${own.get(path) ?? 'not set'}`);
}

/** The runs with their looks. Seeds of a setting that colours tell apart are not drawn as one. */
export function withLooks(runs: readonly RunParts[], { entries, chosen }: LookChoice = {}): RunParts[] {
  const own = entriesOf(runs, entries);
  const isOne = (setting: string): boolean => new Set(own.filter((_, i) => runs[i]!.setting === setting)).size === 1;
  const coloured = (chosen ?? [...new Set(own)]).slice(0, MOST_COLOURS);
  return runs.map(({ setting, ...run }, i) => {
    const place = coloured.indexOf(own[i]!);
    return {
      ...run,
      ...(setting !== undefined && isOne(setting) && { setting }),
      look: { entry: own[i]!, colour: place < 0 ? null : place },
    };
  });
}

/** Runs of one setting, whose means are drawn as one. */
export interface SettingRuns<T> extends Look {
  readonly name: string;
  readonly runs: readonly T[];
}

/** Runs of a setting together, in the order in which the settings first occur. */
export function bySetting<
  T extends { readonly name: string; readonly setting?: string | undefined; readonly look?: Look | undefined },
>(runs: readonly T[]): SettingRuns<T>[] {
  const groups = new Map<string, T[]>();
  for (const run of runs) groups.set(run.setting ?? run.name, [...(groups.get(run.setting ?? run.name) ?? []), run]);
  return Array.from(groups, ([setting, own]) => ({
    name: own.length === 1 ? own[0]!.name : setting,
    runs: own,
    ...own[0]!.look,
  }));
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
