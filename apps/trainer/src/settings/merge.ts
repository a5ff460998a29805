/** Settings from several places laid over each other: presets, YAML files, `--set`. */
import { readFileSync } from 'node:fs';
import { parseYaml } from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';

/** Settings of which any may be missing. */
export type Partials = Readonly<Record<string, unknown>>;

/** The fields of `over` in place of those of `under`; groups are merged field by field, lists replaced whole. */
export function merge(under: Partials, over: Partials): Partials {
  const merged = new Map(Object.entries(under));
  for (const [key, value] of Object.entries(over)) {
    const before = merged.get(key);
    merged.set(key, isGroup(before) && isGroup(value) ? merge(before, value) : value);
  }
  // A key such as __proto__ stays a key, so that it is told as one that is not known.
  return Object.fromEntries(merged);
}

/**
 * Reads a YAML (or JSON) file of settings.
 *
 * @throws UsageError when it cannot be read, is no YAML, or no group of settings
 */
export function readConfigFile(path: string): Partials {
  let content: unknown;
  try {
    content = parseYaml(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`--config ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  // An empty file, or one of comments alone.
  if (content === null) return {};
  if (!isGroup(content)) {
    throw new UsageError(`--config ${path}: expected settings such as "seed: 1", got ${JSON.stringify(content)}`);
  }
  return content;
}

/**
 * `path=value` as settings; the value is read as YAML, so that numbers, lists and null work.
 *
 * @param known what the path leads into; a number in it is a place in a list that is there
 */
export function readAssignment(assignment: string, known: Partials): Partials {
  const fail = (problem: string): never => {
    throw new UsageError(`--set ${assignment}: ${problem}`);
  };
  const at = assignment.indexOf('=');
  if (at < 1) fail('expected path=value, such as --set size.experts=64');
  const path = assignment.slice(0, at).split('.');
  let value: unknown;
  try {
    value = parseYaml(assignment.slice(at + 1));
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
  const set = (under: unknown, depth: number): unknown => {
    const key = path[depth];
    if (key === undefined) {
      if (isGroup(under) && !isGroup(value)) {
        fail(`${path.join('.')} is a group; name one of ${Object.keys(under).join(', ')}`);
      }
      return value;
    }
    if (Array.isArray(under)) {
      const place = Number(key);
      if (!Number.isInteger(place) || place < 0 || place >= under.length) {
        fail(`${path.slice(0, depth).join('.')} is a list of ${under.length}; ${key} is no place in it (from 0)`);
      }
      return under.map((entry: unknown, i) => (i === place ? mergeValue(entry, set(entry, depth + 1)) : entry));
    }
    if (under !== undefined && !isGroup(under)) fail(`${path.slice(0, depth).join('.')} is no group of settings`);
    return { [key]: set(isGroup(under) && Object.hasOwn(under, key) ? under[key] : undefined, depth + 1) };
  };
  return set(known, 0) as Partials;
}

function mergeValue(under: unknown, over: unknown): unknown {
  return isGroup(under) && isGroup(over) ? merge(under, over) : over;
}

export function isGroup(value: unknown): value is Partials {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
