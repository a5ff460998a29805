/**
 * What is wrong with settings, a line each: the path, what it got, what it takes, and for unknown names the nearest
 * known one.
 */
import { z } from 'zod';
import { unknownNameText } from '../cli/errors.ts';

/** A fault at a path; '' is the whole. */
export interface Fault {
  readonly path: string;
  readonly problem: string;
}

/** The faults of a value that did not fit a schema. */
export function faultsOf(error: z.ZodError, schema: z.ZodType, value: unknown): Fault[] {
  return error.issues.flatMap((issue) => faultsOfIssue(issue, schema, value, []));
}

/** "settings: size.topK: got 0, expected a whole number of at least 1", or a list of several. */
export function faultsText(origin: string, faults: readonly Fault[]): string {
  const lines = faults.map(({ path, problem }) => (path === '' ? problem : `${path}: ${problem}`));
  return lines.length === 1 ? `${origin}: ${lines[0]}` : `${origin}:\n${lines.map((line) => `- ${line}`).join('\n')}`;
}

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

function faultsOfIssue(issue: Issue, schema: z.ZodType, value: unknown, above: Path): Fault[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, path, value).map((key) => pathText([...path, key]));
    return issue.keys.map((key) => ({
      path: '',
      problem: unknownNameText('setting', pathText([...path, key]), known),
    }));
  }
  // A list of alternatives that differ by a word, and the word is none of theirs.
  const words = nodesAt(schema, path).flatMap((node) => (node.const === undefined ? [] : [node.const]));
  const isUnknownWord = issue.code === 'invalid_union' && issue.errors.length === 0 && words.length > 0;
  const expected = isUnknownWord ? `one of ${words.join(', ')}` : expectedOf(issue);
  return [{ path: pathText(path), problem: `got ${shown(valueAt(value, path))}, expected ${expected}` }];
}

/**
 * The names that are known at a path, as the schema's JSON form lists them; where alternatives differ by `type`, those
 * of the value's type.
 */
function knownKeys(schema: z.ZodType, path: Path, value: unknown): string[] {
  const type = valueAt(value, [...path, 'type']);
  const fitting = nodesAt(schema, path).filter(({ properties }) => {
    const expected = properties?.['type']?.const;
    return expected === undefined || type === undefined || expected === type;
  });
  return [...new Set(fitting.flatMap(({ properties = {} }) => Object.keys(properties)))];
}

/** All alternatives that the schema's JSON form has at a path. */
function nodesAt(schema: z.ZodType, path: Path): JsonSchema[] {
  let nodes = [z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' }) as JsonSchema];
  for (const key of path) {
    nodes = nodes.flatMap(alternatives).flatMap((node) => {
      const child =
        typeof key === 'number' ? node.items : (node.properties?.[String(key)] ?? node.additionalProperties);
      return typeof child === 'object' ? [child] : [];
    });
  }
  return nodes.flatMap(alternatives);
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  /** Of groups whose keys may be any. */
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  /** Only words tell alternatives apart here. */
  readonly const?: string;
}

function alternatives(node: JsonSchema): JsonSchema[] {
  const parts = node.anyOf ?? node.oneOf;
  return parts === undefined ? [node] : parts.flatMap(alternatives);
}

function expectedOf(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return TYPES[issue.expected] ?? issue.expected;
    case 'invalid_value':
      return issue.values.length === 1 ? String(issue.values[0]) : `one of ${issue.values.join(', ')}`;
    case 'too_small':
      return bound(issue.origin, issue.minimum, issue.inclusive === false ? 'above' : 'of at least');
    case 'too_big':
      return bound(issue.origin, issue.maximum, issue.inclusive === false ? 'below' : 'of at most');
    case 'invalid_union': {
      const parts = issue.errors.flatMap((issues) => issues.slice(0, 1).map((part) => expectedOf(part)));
      return parts.length === 0 ? issue.message : [...new Set(parts)].join(', or ');
    }
    default:
      return issue.message;
  }
}

const TYPES: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'a text',
  boolean: 'true or false',
  object: 'a group of settings',
  record: 'a group of settings',
  array: 'a list',
  null: 'null',
};

function bound(origin: string, limit: number | bigint, words: string): string {
  if (origin === 'array') return `a list ${words} ${limit} entries`;
  if (origin === 'string') return `a text ${words} ${limit} characters`;
  return `a number ${words} ${limit}`;
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined),
    value,
  );
}

function pathText(path: Path): string {
  return path.map(String).join('.');
}

/** A value as a message tells it. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  // JSON has neither infinities nor NaN.
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
