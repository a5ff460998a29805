/** The settings that are not the same in all runs, a column each. */
import type { TableRecord } from './table.ts';

/** null where all runs have the same ones. @param runs names and settings by their dotted paths */
export function differencesTable(
  runs: readonly { readonly name: string; readonly settings: ReadonlyMap<string, string> }[],
): TableRecord | null {
  const paths = differingSettings(runs.map(({ settings }) => settings));
  if (paths.length === 0) return null;
  return {
    title: 'Settings that differ',
    columns: [{ key: 'run', title: 'run' }, ...paths.map((path) => ({ key: `set ${path}`, title: path }))],
    rows: runs.map(({ name, settings }) => ({
      run: name,
      ...Object.fromEntries(paths.map((path) => [`set ${path}`, settings.get(path) ?? null])),
    })),
    notes: [],
  };
}

/**
 * Paths of the settings that are not the same in all runs: first those that have several values, then those that some
 * runs do not have, such as what another router is set by.
 */
export function differingSettings(runs: readonly ReadonlyMap<string, string>[]): string[] {
  const paths = [...new Set(runs.flatMap((settings) => [...settings.keys()]))].filter(
    (path) => new Set(runs.map((settings) => settings.get(path))).size > 1,
  );
  const isSet = (path: string): boolean => new Set(runs.flatMap((settings) => settings.get(path) ?? [])).size > 1;
  return [...paths.filter(isSet), ...paths.filter((path) => !isSet(path))];
}
