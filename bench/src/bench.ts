/** What a benchmark is, and the table that it fills. */

export interface Table {
  readonly title: string;
  /** Heads of the columns; the first column names the row. */
  readonly columns: readonly string[];
  /** Numbers are printed with one decimal; null where there is nothing to say. */
  readonly rows: readonly (readonly (string | number | null)[])[];
  /** What a reader must know to judge the figures. */
  readonly notes: readonly string[];
}

/** What the command line says besides the names of benchmarks. */
export interface BenchOptions {
  /** A PyTorch program to run beside `step` and `gpu`. */
  readonly torch: string | undefined;
  /** The Python that runs it. */
  readonly python: string;
  /** Whether `gpu` runs at toy sizes on a GPU that a CPU plays. */
  readonly software: boolean;
}

export interface Bench {
  /** One line for `pnpm bench --help`. */
  readonly about: string;
  /** Hands over each table as soon as it is complete. */
  run(report: (table: Table) => void, options: BenchOptions): Promise<void>;
}

/** The table as text, columns aligned. */
export function formatTable({ title, columns, rows, notes }: Table): string {
  const cells = [columns, ...rows].map((row) =>
    row.map((cell) => (cell === null ? '-' : typeof cell === 'number' ? cell.toFixed(1) : cell)),
  );
  const widths = columns.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  return ['', title, '', ...lines, ...notes.map((note) => `  ${note}`)].join('\n');
}
