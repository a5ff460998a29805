/** What the runs of each setting of a sweep or a comparison have come to together. */
import { exceedsError } from '@lpr/metrics';
import type { Summary } from '@lpr/runs';
import { differenceCell, errorNotes, LARGER_NOTE } from './comparison.ts';
import { measuredCell, shownMeasures } from './measures.ts';
import type { Cell, Row, TableRecord } from './table.ts';

type Setting = Summary['settings'][number];

/**
 * A row for each setting: means over its seeds with their 95 % intervals, and below how much more each has than the
 * settings that it is compared with; null where there are not two settings, or a setting of several seeds.
 */
export function settingsTable({ settings }: Pick<Summary, 'settings'>): TableRecord | null {
  if (settings.length < 2 && settings.every(({ seeds }) => seeds.length < 2)) return null;
  const keys = ['testLoss', ...shownMeasures('short').map(({ key }) => key), 'information'];
  const cellsOf = (cell: (key: string) => Cell | undefined): Row =>
    Object.fromEntries(
      keys.flatMap((key) => {
        const value = cell(key);
        return value === undefined ? [] : [[key, value] as const];
      }),
    );
  const baselines = [...new Set(settings.flatMap(({ differences }) => Object.keys(differences)))];
  const differences = settings.flatMap((setting) => Object.values(setting.differences));
  return {
    title: 'Settings, as means over seeds',
    columns: [
      { key: 'name', title: 'setting' },
      { key: 'seeds', title: 'seeds', format: 'plain' },
      { key: 'testLoss', title: 'test loss', format: 'measure', decimals: 4 },
      ...shownMeasures('short').map(({ key, title, meaning, decimals }) => {
        return { key, title, meaning, decimals, format: 'measure' as const };
      }),
      { key: 'information', title: 'I(expert; token)', decimals: 3 },
    ],
    rows: settings.map((setting) => ({
      name: setting.name,
      seeds: setting.seeds.join(', '),
      ...cellsOf((key) => estimateCell(setting, key)),
    })),
    below: baselines.map((baseline) => ({
      heading: `Less ${baseline}, in pairs of a seed or on the same text`,
      rows: settings.flatMap(({ name, differences: all }): Row[] => {
        const own = all[baseline];
        return own === undefined ? [] : [{ name, ...cellsOf((key) => own[key] && differenceCell(own[key])) }];
      }),
    })),
    notes: [
      ...errorNotes(settings.map(({ errorsOf }) => ({ errorsOf }))),
      ...(differences.some((own) => Object.values(own).some(exceedsError)) ? [LARGER_NOTE] : []),
    ],
  };
}

function estimateCell({ estimates }: Setting, key: string): Cell | undefined {
  const estimate = estimates[key];
  return estimate === undefined ? undefined : measuredCell(estimate.mean, estimate.error);
}
