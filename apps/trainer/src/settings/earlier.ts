/** Settings that earlier versions wrote, by today's names. */
import { todaysSwitches } from '@lpr/moe';
import { isGroup, type Partials } from './merge.ts';

/** Of groups, as files and options have them. */
export function withTodaysNames(settings: Partials): Partials {
  const { lpr } = settings;
  return isGroup(lpr) ? { ...settings, lpr: todaysSwitches(lpr) } : settings;
}

const LPR = 'lpr.';

/** What settings that came later are of runs before them. */
const BEFORE: Readonly<Record<string, unknown>> = { 'training.calibration': null };

/** By path, as a run's identity has them. */
export function withTodaysPaths(settings: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const entries = Object.entries(settings);
  const isSwitch = ([path]: readonly [string, unknown]): boolean => path.startsWith(LPR);
  const switches = entries.filter(isSwitch).map(([path, value]) => [path.slice(LPR.length), value] as const);
  return Object.fromEntries([
    ...Object.entries(BEFORE).filter(([path]) => !entries.some(([known]) => isAtOrBelow(known, path))),
    ...entries.filter((entry) => !isSwitch(entry)),
    ...Object.entries(todaysSwitches(Object.fromEntries(switches))).map(([name, value]) => [LPR + name, value]),
  ]);
}

function isAtOrBelow(path: string, group: string): boolean {
  return path === group || path.startsWith(`${group}.`);
}
