/** What the runs of a sweep are called: by what differs, "lpr,strength=0.1", with the seed behind where it does. */
/** What a run sets, by path. */
export type Assignments = Readonly<Record<string, unknown>>;

/** A folder's name may have 255 bytes; beside it stand others in a table. */
const LONGEST = 100;

/** Settings whose value says enough. */
const PLAIN = ['preset', 'architecture', 'router'];

/**
 * A name for each run without its seed, so that only runs that differ in their seed alone share one, also where a file
 * system does not tell capitals apart: the values that not all have, by the last word of their path where that is
 * enough.
 */
export function settingNamesOf(all: readonly Assignments[]): string[] {
  const paths = [...new Set(all.flatMap((each) => Object.keys(each)))].filter((path) => path !== 'seed');
  const differing = paths.filter((path) => new Set(all.map((each) => JSON.stringify(each[path]))).size > 1);
  // Where nothing differs but the seed, all of it says what the one setting is.
  const told = differing.length > 0 ? differing : paths;
  const ordered = [...told.filter((path) => PLAIN.includes(path)), ...told.filter((path) => !PLAIN.includes(path))];
  const names = new Map<string, string>();
  const taken = new Set<string>();
  return all.map((each) => {
    const values = ordered.map((path) => each[path]);
    const key = JSON.stringify(values.map((value) => value ?? null));
    let name = names.get(key);
    if (name !== undefined) return name;
    const words = ordered.flatMap((path, i) => {
      if (values[i] === undefined) return [];
      return [PLAIN.includes(path) ? text(values[i]) : `${shortPath(path, told)}=${text(values[i])}`];
    });
    const plain = words.join(',').slice(0, LONGEST) || 'base';
    name = plain;
    for (let number = 2; taken.has(name.toLowerCase()); number++) name = `${plain}_${number}`;
    taken.add(name.toLowerCase());
    names.set(key, name);
    return name;
  });
}

/** Characters that are safe in folders and shells. */
function text(value: unknown): string {
  const plain = typeof value === 'string' ? value : JSON.stringify(value);
  return plain.replaceAll(/[^\w.+-]+/g, '-').replace(/^\.+/, '');
}

/** The last word of a path, unless another one ends with it too. */
function shortPath(path: string, paths: readonly string[]): string {
  const last = (each: string): string => each.slice(each.lastIndexOf('.') + 1);
  return paths.some((other) => other !== path && last(other) === last(path)) ? path : last(path);
}
