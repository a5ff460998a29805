/** What a benchmark is, and how the tables that it fills look on stdout. */
import { alignColumns, textTable } from '@lpr/report/tables';
import type { Table } from '@lpr/results';

/** What the command line says besides the names of benchmarks. */
export interface BenchOptions {
  /** A PyTorch program to run beside `step` and `gpu`. */
  readonly torch: string | undefined;
  /** The Python that runs it. */
  readonly python: string;
  /** Whether `gpu` runs at toy sizes on a GPU that a CPU plays. */
  readonly software: boolean;
  /** Whether `gpu` serves a page, on which a browser measures its GPU, in place of all else. */
  readonly page: boolean;
  /** Parts of `gpu` that run, by their names; all unless given. */
  readonly only: string | undefined;
}

/** Takes a table as soon as it is complete, with a name that no other has. */
export type Report = (name: string, table: Table) => void;

export interface Bench {
  /** One line for `pnpm bench --help`. */
  readonly about: string;
  run(report: Report, options: BenchOptions): Promise<void>;
}

/** The table as text, columns aligned. */
export function formatTable(table: Table): string {
  const { head, rows } = textTable(table);
  const [first, ...lines] = alignColumns([head, ...rows]);
  const longest = Math.max(...[first!, ...lines].map((line) => line.length));
  return ['', table.title, '', first, '-'.repeat(longest), ...lines, ...table.notes.map((note) => `  ${note}`)].join(
    '\n',
  );
}
