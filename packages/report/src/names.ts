/** What runs and their files are called: names that tell runs apart, the same in every table, picture and page. */

/** What a name is made of. */
export interface NamedRun {
  /** Of its folder. */
  readonly name: string;
  /** Of its folder too, and different for every run. */
  readonly path: string;
  /** Its settings by their dotted paths. */
  readonly settings: ReadonlyMap<string, string>;
}

const ARCHITECTURES: Readonly<Record<string, string>> = {
  'qwen3-moe': 'Qwen3-MoE',
  mixtral: 'Mixtral',
  'deepseek-v3': 'DeepSeek-V3',
};

/** "Qwen3-MoE"; one that is not known as it is. */
export function architectureTitle(architecture: string): string {
  return ARCHITECTURES[architecture] ?? architecture;
}

/**
 * A model by its architecture and router: "Qwen3-MoE" with its own router, "Qwen3-MoE-LPR", "Qwen3-MoE-LPR (paper)",
 * "Qwen3-MoE, sinkhorn".
 */
export function modelTitle(architecture: string, router: string): string {
  const title = architectureTitle(architecture);
  if (router === 'top-k') return title;
  const [, formulation] = /^lpr(?:-(.*))?$/.exec(router) ?? [undefined, null];
  if (formulation === null) return `${title}, ${router}`;
  return `${title}-LPR${formulation === undefined ? '' : ` (${formulation})`}`;
}

/** More settings than these make no name. */
const MOST_SETTINGS = 3;
const LONGEST_VALUE = 24;
/** They decide where and how a run computes, and no number of it. */
const OF_NO_EFFECT = new Set(['device', 'threads', 'training.checkpointEvery', 'training.keepCheckpoints']);

/**
 * A name for each run, no two the same: its model; where several have one, with the settings that tell them apart
 * ("Qwen3-MoE-LPR, seed 2"); where these do not, with the name of its folder, or the path of it. A run whose settings
 * do not say what it is has the name of its folder.
 */
export function runNames(runs: readonly NamedRun[]): string[] {
  const titles = runs.map(({ name, settings }) => {
    const [architecture, router] = [settings.get('architecture'), settings.get('router')];
    return architecture === undefined || router === undefined ? name : modelTitle(architecture, router);
  });
  const named = withSettings(runs, titles);
  const withFolder = named.map((name, i) =>
    countOf(named, name) > 1 && name !== runs[i]!.name ? `${name} (${runs[i]!.name})` : name,
  );
  const withPath = withFolder.map((name, i) =>
    countOf(withFolder, name) === 1 ? name : name === runs[i]!.name ? runs[i]!.path : `${named[i]} (${runs[i]!.path})`,
  );
  return numbered(withPath, (name, number) => `${name} (${number})`);
}

/**
 * The setting of each run: the name that runs share which differ in their seed alone; undefined for one that is alone.
 * Where two of them have one seed they are no seeds of a setting, but runs to be told apart.
 */
export function settingNames(runs: readonly NamedRun[]): (string | undefined)[] {
  const keys = runs.map(({ settings }) =>
    JSON.stringify(
      Array.from(settings)
        .filter(([path]) => path !== 'seed' && !OF_NO_EFFECT.has(path))
        .toSorted(),
    ),
  );
  const groups = new Map<string, NamedRun[]>();
  for (const [i, run] of runs.entries()) groups.set(keys[i]!, [...(groups.get(keys[i]!) ?? []), run]);
  const several = Array.from(groups).filter(
    ([, own]) => own.length > 1 && new Set(own.map(({ settings }) => settings.get('seed'))).size === own.length,
  );
  const names = runNames(
    several.map(([, [first]]) => ({
      ...first!,
      settings: new Map(Array.from(first!.settings).filter(([path]) => path !== 'seed')),
    })),
  );
  const nameOf = new Map(several.map(([key], i) => [key, names[i]!]));
  return keys.map((key) => nameOf.get(key));
}

function countOf(names: readonly string[], name: string): number {
  return names.filter((other) => other === name).length;
}

/** Titles, with those settings that tell runs of one title apart. */
function withSettings(runs: readonly NamedRun[], titles: readonly string[]): string[] {
  const words = new Map<NamedRun, string[]>();
  for (const title of new Set(titles)) {
    const group = runs.filter((_, i) => titles[i] === title);
    const chosen = distinguishing(group);
    const own = group.map(({ settings }) => chosen.filter((path) => settings.has(path)));
    const unusual = unusualSettings(group);
    const paths = told(group, own) < group.length && told(group, unusual) > told(group, own) ? unusual : own;
    const all = [...new Set(paths.flat())];
    for (const [i, run] of group.entries()) {
      words.set(
        run,
        paths[i]!.map((path) => `${shortPath(path, all)} ${run.settings.get(path)}`),
      );
    }
  }
  return runs.map((run, i) => [titles[i]!, ...words.get(run)!].join(', '));
}

/** How many runs there are by these settings of each. */
function told(runs: readonly NamedRun[], paths: readonly (readonly string[])[]): number {
  return new Set(
    runs.map(({ settings }, i) => JSON.stringify(paths[i]!.map((path) => [path, settings.get(path) ?? null]))),
  ).size;
}

/** Paths of settings that a name may hold. */
function namedPaths(runs: readonly NamedRun[]): string[] {
  const paths = runs.flatMap(({ settings }) =>
    Array.from(settings).flatMap(([path, value]) =>
      OF_NO_EFFECT.has(path) || value.length > LONGEST_VALUE ? [] : [path],
    ),
  );
  return [...new Set(paths)];
}

/** Paths of few settings that tell runs apart as far as such can: each time the one that tells most. */
function distinguishing(runs: readonly NamedRun[]): string[] {
  const candidates = namedPaths(runs);
  const groupsBy = (paths: readonly string[]): number =>
    told(
      runs,
      runs.map(() => paths),
    );
  const chosen: string[] = [];
  let most = 1;
  while (most < runs.length && chosen.length < MOST_SETTINGS) {
    const groups = candidates.map((path) => groupsBy([...chosen, path]));
    const best = Math.max(...groups);
    if (!(best > most)) break;
    chosen.push(candidates[groups.indexOf(best)]!);
    most = best;
  }
  return chosen;
}

/**
 * Of each run the paths of the settings that it has otherwise than most others, as runs have of which each changes
 * something else; the seed in any case, where runs have several. Of settings that are unusual in the same runs, such as
 * those that follow from another one, the first stands for all.
 */
function unusualSettings(runs: readonly NamedRun[]): string[][] {
  const unusual = new Map<string, { path: string; isUnusual: boolean[] }>();
  for (const path of namedPaths(runs)) {
    const values = runs.map(({ settings }) => settings.get(path));
    if (new Set(values).size === 1) continue;
    const usual = path === 'seed' ? undefined : mostCommon(values);
    const isUnusual = values.map((value) => value !== undefined && value !== usual);
    const key = isUnusual.join();
    if (!unusual.has(key)) unusual.set(key, { path, isUnusual });
  }
  return runs.map((_, i) =>
    Array.from(unusual.values())
      .flatMap(({ path, isUnusual }) => (isUnusual[i] ? [path] : []))
      .slice(0, MOST_SETTINGS),
  );
}

/** The first of those that there are most of. */
function mostCommon<T>(values: readonly T[]): T {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return values.find((value) => counts.get(value) === most)!;
}

/**
 * Paths of the settings that runs of one router differ in, in the order of the first run that has them: what a sweep
 * varies, without what follows from another router, the seed, and what decides no number.
 */
export function varyingSettings(runs: readonly ReadonlyMap<string, string>[]): string[] {
  const paths = new Set(runs.flatMap((settings) => [...settings.keys()]));
  const routers = new Set(runs.map((settings) => settings.get('router')));
  return Array.from(paths).filter((path) => {
    if (path === 'seed' || OF_NO_EFFECT.has(path)) return false;
    return Array.from(routers).some((router) => {
      const own = runs.filter((settings) => settings.get('router') === router);
      return new Set(own.map((settings) => settings.get(path))).size > 1;
    });
  });
}

/** The last word of a path, unless another one ends with it too. */
export function shortPath(path: string, paths: readonly string[]): string {
  const last = (each: string): string => each.slice(each.lastIndexOf('.') + 1);
  return paths.some((other) => other !== path && last(other) === last(path)) ? path : last(path);
}

/** File systems take names of 255 bytes; the rest is for the name of a figure, a number and an extension. */
const LONGEST_FILE_NAME = 150;

/**
 * A name for a file for each of some texts, which may hold anything: of letters, digits, dots, underscores and hyphens,
 * at most 150 bytes of them and a number, no two the same on a file system that does not tell capitals apart.
 */
export function fileNames(texts: readonly string[]): string[] {
  const plain = texts.map((text, i) => {
    const name = text.replaceAll(/[^\p{L}\p{N}._-]+/gu, '-').replaceAll(/^[.-]+|[.-]+$/g, '');
    return firstBytes(name, LONGEST_FILE_NAME) || `run-${i + 1}`;
  });
  return numbered(
    plain,
    (name, number) => `${name}-${number}`,
    (name) => name.toLowerCase().normalize('NFC'),
  );
}

/** As many whole characters from the start as fit in so many bytes of UTF-8. */
function firstBytes(text: string, most: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(most));
  return text.slice(0, read);
}

/** The names, with a number behind those that were there before. */
function numbered(
  names: readonly string[],
  withNumber: (name: string, number: number) => string,
  keyOf: (name: string) => string = (name) => name,
): string[] {
  // A number must not make a name that another one has anyway.
  const given = new Set(names.map(keyOf));
  const taken = new Set<string>();
  return names.map((name) => {
    let own = name;
    for (let number = 2; taken.has(keyOf(own)) || (own !== name && given.has(keyOf(own))); number++) {
      own = withNumber(name, number);
    }
    taken.add(keyOf(own));
    return own;
  });
}
