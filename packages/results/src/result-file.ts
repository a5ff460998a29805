/** A stored result: what was measured, by which commands, when and where, and the numbers as they came. */
import { z } from 'zod';
import { type PaperTableResult, paperTableSchema } from './paper.ts';
import { type RunResult, runSchema, type Setting, settingsSchema } from './runs.ts';
import { listLevels, spreadLevels } from './shared-levels.ts';
import { type Table, tableSchema } from './table.ts';

export interface Machine {
  readonly cpu: string;
  /** Versions of Node, null where it played no part or is not known. */
  readonly node: string | null;
  readonly threads: number | null;
}

interface Provenance {
  /** What it is, and what a reader must know to judge it. */
  readonly about: string;
  /** That made it, in the order they ran; none where it was made by hand. */
  readonly commands: readonly string[];
  /** The day it was made. */
  readonly when: string;
  readonly machine: Machine;
}

/** Tables of any numbers, by name. */
export interface TablesResult extends Provenance {
  readonly kind: 'tables';
  readonly tables: Readonly<Record<string, Table>>;
}

/** Trained runs. */
export interface RunsResult extends Provenance {
  readonly kind: 'runs';
  /** Titles of runs by their names, where their models' would not tell them apart. */
  readonly titles: Readonly<Record<string, string>>;
  /** Settings that most of the runs have, by the dotted paths of their keys. */
  readonly shared: Readonly<Record<string, Setting>>;
  readonly runs: readonly RunResult[];
  /** What a paper reports for such runs. */
  readonly paper: readonly PaperTableResult[];
}

export type ResultFile = TablesResult | RunsResult;

const provenance = {
  about: z.string(),
  commands: z.array(z.string()),
  when: z.iso.date(),
  machine: z.strictObject({ cpu: z.string(), node: z.string().nullable(), threads: z.int().nullable() }),
};

const schema: z.ZodType<ResultFile> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('tables'), ...provenance, tables: z.record(z.string(), tableSchema) }),
  z.strictObject({
    kind: z.literal('runs'),
    ...provenance,
    titles: z.record(z.string(), z.string()),
    shared: settingsSchema,
    runs: z.array(runSchema).min(1),
    paper: z.array(paperTableSchema),
  }),
]);

/**
 * A result from the text of its file.
 *
 * @throws Error that names the file, the field and what it should be
 */
export function parseResult(text: string, file: string): ResultFile {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is no JSON: ${String(error)}`, { cause: error });
  }
  const parsed = schema.safeParse(spreadLevels(content));
  if (!parsed.success) throw new Error(`${file} is no stored result:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** The text of a result's file. */
export function resultText(result: ResultFile): string {
  return `${JSON.stringify(result.kind === 'runs' ? listLevels(result) : result, null, 2)}\n`;
}
