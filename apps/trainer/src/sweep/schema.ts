/** The file of a sweep: which runs there are, over which settings. */
import { z } from 'zod';
import { PRESETS } from '../settings/decisions.ts';

/** Runs of a sweep at most: more are hardly meant, and nobody looks at them one by one. */
export const MOST_RUNS = 1000;

/** What a path leads to, on any depth: a number, a word, a list, a group. */
type Values = readonly unknown[];

/** Values of settings by their paths, such as `size.experts`. */
type Grid = Readonly<Record<string, Values>>;

/** How a value is drawn. */
export type Range =
  | { readonly uniform: readonly [number, number] }
  | { readonly logUniform: readonly [number, number] }
  | { readonly integer: readonly [number, number] }
  | { readonly choice: Values };

/** What a file of a sweep holds; the schema below says what each field means. */
export interface SweepFile {
  readonly preset?: string | undefined;
  readonly config?: readonly string[] | undefined;
  readonly settings?: Readonly<Record<string, unknown>> | undefined;
  readonly grid?: Grid | readonly Grid[] | undefined;
  readonly list?: readonly Readonly<Record<string, unknown>>[] | undefined;
  readonly random?:
    | { readonly runs: number; readonly seed: number; readonly settings: Readonly<Record<string, Range>> }
    | undefined;
  readonly runs?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined;
  readonly seeds?: number | readonly number[] | undefined;
  readonly baseline?: string | undefined;
  readonly slurm?: SlurmSettings | undefined;
}

/** What a job of Slurm is given, for each run. */
export interface SlurmSettings {
  readonly partition?: string | undefined;
  readonly account?: string | undefined;
  readonly time?: string | undefined;
  readonly memory?: string | undefined;
  readonly cpus?: number | undefined;
  readonly gpus?: number | undefined;
  readonly parallel?: number | undefined;
  readonly notice?: number | undefined;
  readonly setup?: readonly string[] | undefined;
}

const PATH = /^[A-Za-z_]\w*(\.\w+)*$/;

/** By path: of what a schema says. */
function byPath<Value extends z.ZodType>(value: Value, meaning: string): z.ZodType<Record<string, z.infer<Value>>> {
  return z
    .record(z.string(), value)
    .refine((fields) => Object.keys(fields).length > 0, 'settings by their paths, such as size.experts; at least one')
    .refine(
      (fields) => Object.keys(fields).every((path) => PATH.test(path)),
      'paths of settings, their parts separated by dots, such as size.experts',
    )
    .describe(meaning);
}

function areDifferent(values: Values): boolean {
  return new Set(values.map((value) => JSON.stringify(value))).size === values.length;
}

const values = z
  .array(z.unknown())
  .min(1)
  .refine(areDifferent, 'values that differ: each makes a run of its own')
  .describe('What the setting is in turn, at least one value');

const grid = byPath(values, 'Every combination of the values is a run');

/** Two numbers, the smaller one first. */
function bounds(number: z.ZodType<number>): z.ZodType<[number, number]> {
  return z
    .array(number)
    .length(2)
    .refine(
      ([low, high]) => low === undefined || high === undefined || low < high,
      'two numbers, the smaller one first',
    ) as unknown as z.ZodType<[number, number]>;
}

const range = z
  .strictObject({
    uniform: bounds(z.number()).optional().describe('Any number between two'),
    logUniform: bounds(z.number().gt(0)).optional().describe('Any number between two, evenly in its logarithm'),
    integer: bounds(z.int()).optional().describe('A whole number from one to another, both included'),
    choice: values.optional().describe('One of these'),
  })
  .refine(
    (each) => Object.keys(each).length === 1,
    'one of {uniform: [0, 1]}, {logUniform: [0.0001, 0.01]}, {integer: [4, 64]}, {choice: [a, b]}',
  ) as unknown as z.ZodType<Range>;

const word = z.string().regex(/^[\w.,:@+-]+$/, 'a name as Slurm has it');

export const slurmSchema: z.ZodType<SlurmSettings> = z.strictObject({
  partition: word.optional().describe('Where it runs'),
  account: word.optional().describe('Who is charged'),
  time: z
    .string()
    .regex(/^(?:\d+-)?\d+(?::\d+){0,2}$/, 'a time as Slurm has it, such as 90 (minutes), 04:00:00 or 2-12:00:00')
    .optional()
    .describe('Limit of a run between two requeues'),
  memory: z
    .string()
    .regex(/^\d+[KMGT]?$/, 'a size as Slurm has it, such as 8G')
    .optional()
    .describe('Of the node'),
  cpus: z.int().min(1).optional().describe('Cores, and threads where threads is null'),
  gpus: z.int().min(1).optional().describe('GPUs; the setting device says whether a run uses one'),
  parallel: z.int().min(1).optional().describe('Runs at a time (default: as many as the cluster gives)'),
  notice: z
    .int()
    .min(1)
    .max(65_535)
    .optional()
    .describe('Seconds before the limit at which a run saves (default: 120)'),
  setup: z
    .array(z.string().regex(/^[^\n\r\0]*$/, 'a line'))
    .optional()
    .describe('Lines of shell before a run, such as "module load node"'),
});

const fields = {
  preset: z
    .enum(Object.keys(PRESETS) as [string])
    .optional()
    .describe('Named settings under all others'),
  config: z
    .array(z.string().min(1))
    .optional()
    .describe('YAML files of settings over the preset, each over those before it'),
  settings: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('Settings of all runs, as config.yaml has them, over those files'),
  list: z
    .array(byPath(z.unknown(), 'Settings of a run, by their paths'))
    .min(1)
    .refine(areDifferent, 'entries that differ: each makes a run of its own')
    .optional()
    .describe('Settings that go together, an entry for each run; with a grid each entry has all its combinations'),
  random: z
    .strictObject({
      runs: z.int().min(1).max(MOST_RUNS).describe('Draws; with a grid or a list each of theirs has so many'),
      seed: z
        .int()
        .min(0)
        .default(0)
        .describe('Of the draws: the same seed gives the same, more runs the first ones again'),
      settings: byPath(range, 'How each setting is drawn'),
    })
    .optional()
    .describe('Settings that are drawn'),
  runs: z
    .record(z.string(), z.record(z.string(), z.unknown()))
    .refine((runs) => Object.keys(runs).length > 0, 'runs by their names, at least one')
    .optional()
    .describe('In place of grid, list and random: the settings of each run, as config.yaml has them, by its name'),
  seeds: z
    .union([z.int().min(1).max(100), z.array(z.int().min(0)).min(1).refine(areDifferent, 'seeds that differ')])
    .optional()
    .describe('Each run with so many seeds from 0 on, or with these'),
  baseline: z
    .string()
    .optional()
    .describe('The name of the run that the others are compared with, without its seed (default: the first one)'),
  slurm: slurmSchema.optional().describe('What each run gets of a cluster, where the sweep is submitted to one'),
};

const grids = z.array(grid).min(1);

function withGrid(schema: z.ZodType<SweepFile['grid']>): z.ZodType<SweepFile> {
  const meaning = 'Every combination of the values; of several grids one after the other';
  return z.strictObject({ ...fields, grid: schema.optional().describe(meaning) });
}

export const sweepSchema: z.ZodType<SweepFile> = withGrid(z.union([grid, grids]));

/** The same, for a file with one grid, or with several: it says what is wrong in it. */
export function sweepSchemaFor({ grid: given }: Readonly<Record<string, unknown>>): z.ZodType<SweepFile> {
  return withGrid(Array.isArray(given) ? grids : grid);
}
