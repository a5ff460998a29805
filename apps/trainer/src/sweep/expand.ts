/** From the file of a sweep to its runs. */
import { readFileSync } from 'node:fs';
import { parseYaml, runNamesFault, seedName, settingName } from '@lpr/runs';
import { UsageError, unknownNameText } from '../cli/errors.ts';
import { type Comparison, settingNames } from '../comparison/comparison.ts';
import { type Fault, faultsOf, faultsText } from '../settings/faults.ts';
import { isGroup, type Partials } from '../settings/merge.ts';
import { resolveSettings, routerNames, type SettingOptions } from '../settings/resolve.ts';
import { groupOf, ROUTER_GROUPS, type RouterName, ROUTERS } from '../settings/routers.ts';
import type { Settings } from '../settings/schema.ts';
import { drawValue } from './draw.ts';
import { type Assignments, settingNamesOf } from './names.ts';
import { MOST_RUNS, type SlurmSettings, slurmSchema, type SweepFile, sweepSchemaFor } from './schema.ts';

/**
 * Reads the file of a sweep.
 *
 * @throws UsageError that names the field, what it got and what it takes
 */
export function readSweepFile(path: string): SweepFile {
  let content: unknown;
  try {
    content = parseYaml(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return checkSweep(content, path);
}

/** @param origin where it came from, for messages */
export function checkSweep(content: unknown, origin: string): SweepFile {
  if (!isGroup(content)) {
    throw new UsageError(`${origin}: got ${JSON.stringify(content)}, expected a sweep, such as "grid: {seed: [0, 1]}"`);
  }
  const schema = sweepSchemaFor(content);
  const parsed = schema.safeParse(content);
  if (!parsed.success) throw new UsageError(faultsText(origin, faultsOf(parsed.error, schema, content)));
  const faults = faultsBetween(parsed.data);
  if (faults.length > 0) throw new UsageError(faultsText(origin, faults));
  return parsed.data;
}

/** Settings of a job of Slurm. @param origin the file, for messages */
export function checkSlurm(value: object, origin: string): SlurmSettings {
  const parsed = slurmSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = faultsOf(parsed.error, slurmSchema, value).map(({ path, problem }) => ({
    path: `slurm.${path}`,
    problem,
  }));
  throw new UsageError(faultsText(origin, faults));
}

/** What fits by itself and not together. */
function faultsBetween(file: SweepFile): Fault[] {
  const { grid, list, random, runs, seeds } = file;
  const parts: Readonly<Record<string, readonly string[]>> = {
    grid: gridsOf(file).flatMap((each) => Object.keys(each)),
    list: (list ?? []).flatMap((each) => Object.keys(each)),
    'random.settings': Object.keys(random?.settings ?? {}),
    seeds: seeds === undefined ? [] : ['seed'],
  };
  const names = Object.keys(parts).filter((part) => parts[part]!.length > 0);
  if (runs !== undefined) {
    const others = [grid && 'grid', list && 'list', random && 'random'].filter((part) => part !== undefined);
    return others.length === 0
      ? []
      : [{ path: 'runs', problem: `names every run, and so leaves nothing to ${others.join(', ')}; leave one out` }];
  }
  if (names.length === 0) {
    return [{ path: '', problem: 'it has no runs; give grid, list, random, runs or seeds, such as "seeds: 3"' }];
  }
  return names.flatMap((part, i) =>
    names.slice(i + 1).flatMap((other) => {
      const both = parts[part]!.find((path) => parts[other]!.some((each) => isWithin(path, each)));
      if (both === undefined) return [];
      return [{ path: `${part}.${both}`, problem: `${other} sets it too; leave it out of one of the two` }];
    }),
  );
}

/** Whether one of two paths is the other, or above it. */
function isWithin(path: string, other: string): boolean {
  return path === other || path.startsWith(`${other}.`) || other.startsWith(`${path}.`);
}

function gridsOf({ grid }: SweepFile): readonly Readonly<Record<string, readonly unknown[]>>[] {
  if (grid === undefined) return [];
  return Array.isArray(grid) ? (grid as readonly Record<string, readonly unknown[]>[]) : [grid as never];
}

/** How many runs there are, before any is made. */
export function countRuns(file: SweepFile): number {
  const { list, random, runs, seeds = 1 } = file;
  const grids = gridsOf(file);
  const ofGrids = grids.map((grid) => Object.values(grid).reduce((product, { length }) => product * length, 1));
  const combinations = grids.length === 0 ? 1 : ofGrids.reduce((sum, count) => sum + count, 0);
  const settings =
    runs === undefined ? combinations * (list?.length ?? 1) * (random?.runs ?? 1) : Object.keys(runs).length;
  return settings * (typeof seeds === 'number' ? seeds : seeds.length);
}

/** What each setting of a sweep sets, by path. */
export function assignmentsOf(file: SweepFile): Assignments[] {
  const { list = [{}], random } = file;
  const grids = gridsOf(file);
  const combinations = grids.length === 0 ? [{}] : grids.flatMap(combinationsOf);
  const draws = Array.from({ length: random?.runs ?? 1 }, (_, index) =>
    Object.fromEntries(
      Object.entries(random?.settings ?? {}).map(([path, range]) => [
        path,
        drawValue(range, random!.seed, index, path),
      ]),
    ),
  );
  return list.flatMap((entry) =>
    combinations.flatMap((combination) => draws.map((draw) => ({ ...entry, ...combination, ...draw }))),
  );
}

/** Every combination; the last path changes fastest. */
function combinationsOf(grid: Readonly<Record<string, readonly unknown[]>>): Assignments[] {
  return Object.entries(grid).reduce<Assignments[]>(
    (before, [path, values]) => before.flatMap((each) => values.map((value) => ({ ...each, [path]: value }))),
    [{}],
  );
}

/**
 * The runs of a sweep.
 *
 * @param options of the command line: over the file's own settings, under what differs between its runs
 * @param origin the file, for messages
 * @throws UsageError that names the run and the setting which does not fit, or two runs that are the same
 */
export function expandSweep(file: SweepFile, options: SettingOptions, origin: string): Comparison {
  const count = countRuns(file);
  if (count > MOST_RUNS) {
    throw new UsageError(
      `${origin}: it comes to ${count.toLocaleString('en')} runs; a sweep has at most ${MOST_RUNS.toLocaleString('en')}. ` +
        'Give fewer values, or draw some with random: {runs: 50, settings: ...}',
    );
  }
  // What is wrong with settings is told by these names.
  checkNames(Object.keys(file.runs ?? {}), origin);
  const { preset = file.preset, config, ...rest } = options;
  const base: SettingOptions = {
    ...rest,
    ...(preset !== undefined && { preset }),
    config: [...(file.config ?? []), ...(file.settings === undefined ? [] : [file.settings]), ...config],
  };
  const planned = file.runs === undefined ? ofAssignments(assignmentsOf(file), base) : ofNames(file.runs, base);
  const runs = withSeeds(resolveAll(planned, origin), file);
  const isSeveral = new Set(runs.map(({ settings }) => settings.seed)).size > 1;
  // A file that a sweep has written names each run with its seed, and no seeds besides.
  const isWritten = isSeveral && file.runs !== undefined && file.seeds === undefined;
  const settingOf = ({ name, settings }: Resolved): string => (isWritten ? settingName(name, settings.seed) : name);
  const named = new Map(
    runs.map((run) => [isSeveral ? seedName(settingOf(run), run.settings.seed) : run.name, run.settings]),
  );
  checkNames([...named.keys()], origin);
  if (named.size < runs.length) throw new UsageError(`${origin}: two runs have one name and one seed; rename one`);
  return {
    runs: named,
    baseline: baselineOf([...new Set(settingNames({ runs: named }).values())], file, origin),
    tables: new Map(),
  };
}

function checkNames(runs: readonly string[], origin: string): void {
  const fault = runNamesFault(runs);
  if (fault !== null) throw new UsageError(`${origin}: ${fault}`);
}

/** A run before its settings are put together. */
interface Planned {
  readonly name: string;
  readonly options: SettingOptions;
  /** Groups of settings that it names itself. */
  readonly groups: readonly string[];
}

function ofAssignments(all: readonly Assignments[], base: SettingOptions): Planned[] {
  const names = settingNamesOf(all);
  return all.map((assignments, i) => {
    const { preset, ...others } = assignments;
    const { router, arch, ...rest } = base;
    const options: SettingOptions = {
      ...rest,
      ...(preset !== undefined && { preset: typeof preset === 'string' ? preset : JSON.stringify(preset) }),
      // What a run sets goes over what the command line names.
      ...(router !== undefined && !('router' in others) && { router }),
      ...(arch !== undefined && !('architecture' in others) && { arch }),
      set: [...base.set, ...Object.entries(others).map(([path, value]) => `${path}=${JSON.stringify(value)}`)],
    };
    return { name: names[i]!, options, groups: Object.keys(others).map((path) => path.split('.')[0]!) };
  });
}

function ofNames(runs: Readonly<Record<string, Partials>>, base: SettingOptions): Planned[] {
  return Object.entries(runs).map(([name, settings]) => {
    return { name, options: { ...base, config: [...base.config, settings] }, groups: Object.keys(settings) };
  });
}

/** A run by the name of its setting. */
interface Resolved {
  readonly name: string;
  readonly settings: Settings;
}

/** The settings of each run; what only the routers of others read is passed over where all runs share it. */
function resolveAll(planned: readonly Planned[], origin: string): Resolved[] {
  const told = <Result>(name: string, body: () => Result): Result => {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      throw new UsageError(`${origin}: the run ${name}: ${error.message}`);
    }
  };
  const routers = planned.map(({ name, options }) => told(name, () => routerNames(options)));
  const known = [...new Set(routers)].filter((name): name is RouterName => ROUTERS.includes(name as RouterName));
  const same = new Map<string, string>();
  return planned.map(({ name, options, groups }, i) => {
    const router = known.find((each) => each === routers[i]);
    const foreign = ROUTER_GROUPS.find((group) => groups.includes(group) && router && groupOf(router) !== group);
    if (foreign !== undefined) {
      throw new UsageError(
        `${origin}: the run ${name}: the router ${router} does not read ${foreign}; give that to the runs that do, as in ` +
          `"grid: [{router: [${router}]}, {router: [lpr], lpr.strength: [0.1, 1]}]"`,
      );
    }
    const own = told(name, () => resolveSettings(options, known.length > 1 ? known : []));
    const key = JSON.stringify(own);
    const other = same.get(key);
    if (other !== undefined) {
      throw new UsageError(`${origin}: the runs ${other} and ${name} come to the same settings; leave one of them out`);
    }
    same.set(key, name);
    return { name, settings: own };
  });
}

function withSeeds(runs: readonly Resolved[], { seeds }: SweepFile): readonly Resolved[] {
  if (seeds === undefined) return runs;
  const all = typeof seeds === 'number' ? Array.from({ length: seeds }, (_, seed) => seed) : seeds;
  // One seed after the other, so that a sweep that was stopped has all of one before the next.
  return all.flatMap((seed) => runs.map(({ name, settings }) => ({ name, settings: { ...settings, seed } })));
}

function baselineOf(names: readonly string[], { baseline }: SweepFile, origin: string): string | null {
  if (baseline === undefined) return names.length > 1 ? names[0]! : null;
  if (names.includes(baseline)) return baseline;
  throw new UsageError(`${origin}: baseline: ${unknownNameText('run', baseline, names)}`);
}
