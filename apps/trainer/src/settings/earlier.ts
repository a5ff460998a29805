/** Settings that earlier versions wrote, by today's names. */
import { todaysSwitches } from '@lpr/moe';
import { isGroup, type Partials } from './merge.ts';

/** Of groups, as files and options have them. */
export function withTodaysNames(settings: Partials): Partials {
  const { lpr } = settings;
  return isGroup(lpr) ? { ...settings, lpr: todaysSwitches(lpr) } : settings;
}

/** Of a run, whose switches are all there but those that came later. */
export function withLaterSwitches(settings: Partials): Partials {
  const { lpr } = settings;
  return isGroup(lpr) ? { ...settings, lpr: { ...SWITCHES_BEFORE, ...lpr } } : settings;
}

const LPR = 'lpr.';

/** What switches that came later are of runs before them. */
const SWITCHES_BEFORE: Readonly<Record<string, unknown>> = { vocabulary: 0, precedingLatents: false };

/** What settings that came later are of runs before them. */
const BEFORE: Readonly<Record<string, unknown>> = { 'training.calibration': null };

/** By path, as a run's identity has them. */
export function withTodaysPaths(settings: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const entries = Object.entries(settings);
  const isSwitch = ([path]: readonly [string, unknown]): boolean => path.startsWith(LPR);
  const known = entries.filter(isSwitch).map(([path, value]) => [path.slice(LPR.length), value] as const);
  const switches = known.length === 0 ? {} : { ...SWITCHES_BEFORE, ...todaysSwitches(Object.fromEntries(known)) };
  return Object.fromEntries([
    ...Object.entries(BEFORE).filter(([path]) => !entries.some(([given]) => isAtOrBelow(given, path))),
    ...entries.filter((entry) => !isSwitch(entry)),
    ...Object.entries(switches).map(([name, value]) => [LPR + name, value]),
  ]);
}

function isAtOrBelow(path: string, group: string): boolean {
  return path === group || path.startsWith(`${group}.`);
}
