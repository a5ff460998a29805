/** A table of measured numbers as plain data, and how it looks as text and as Markdown. */
import { z } from 'zod';

/** null: there is nothing to say, printed as a dash. A key that is missing prints as nothing. */
export type Cell = string | number | null;

export interface Column {
  readonly key: string;
  readonly title: string;
  /** Numbers are printed with so many, thousands set apart; without it and `format`, as they are. */
  readonly decimals?: number | undefined;
  /** `measure`: as `formatMeasure`; `milliseconds`: as `formatTime`. */
  readonly format?: 'measure' | 'milliseconds' | undefined;
  /** The key of another number of the row, printed behind it in brackets. */
  readonly beside?: { readonly key: string; readonly decimals: number } | undefined;
}

export interface Table {
  readonly title: string;
  /** The first column names the row. */
  readonly columns: readonly Column[];
  readonly rows: readonly Readonly<Record<string, Cell>>[];
  /** What a reader must know to judge the numbers. */
  readonly notes: readonly string[];
}

export const tableSchema: z.ZodType<Table> = z
  .strictObject({
    title: z.string(),
    columns: z
      .array(
        z.strictObject({
          key: z.string(),
          title: z.string(),
          decimals: z.int().min(0).optional(),
          format: z.enum(['measure', 'milliseconds']).optional(),
          beside: z.strictObject({ key: z.string(), decimals: z.int().min(0) }).optional(),
        }),
      )
      .min(1),
    rows: z.array(z.record(z.string(), z.union([z.string(), z.number(), z.null()]))),
    notes: z.array(z.string()),
  })
  .superRefine(({ columns, rows }, context) => {
    const known = new Set(columns.flatMap(({ key, beside }) => (beside === undefined ? [key] : [key, beside.key])));
    for (const [i, row] of rows.entries()) {
      for (const key of Object.keys(row)) {
        if (known.has(key)) continue;
        const message = `is no column's key; the columns have ${[...known].join(', ')}`;
        context.addIssue({ code: 'custom', path: ['rows', i, key], message });
      }
    }
  });

/** A table of which only the widths of its columns are to be found. */
export interface TextTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Whether a column holds numbers, which are set to the right. */
  readonly numeric: readonly boolean[];
}

export function textTable({ columns, rows }: Pick<Table, 'columns' | 'rows'>): TextTable {
  return {
    head: columns.map(({ title }) => title),
    rows: rows.map((row) => columns.map((column) => cellText(column, row))),
    numeric: columns.map(({ decimals, format }) => decimals !== undefined || format !== undefined),
  };
}

function cellText({ key, decimals, format, beside }: Column, row: Readonly<Record<string, Cell>>): string {
  const value = row[key];
  if (value === undefined) return '';
  if (value === null) return '-';
  const text =
    typeof value === 'string'
      ? value
      : format === 'measure'
        ? formatMeasure(value)
        : format === 'milliseconds'
          ? formatTime(value)
          : decimals === undefined
            ? String(value)
            : formatNumber(value, decimals);
  const other = beside === undefined ? undefined : row[beside.key];
  return typeof other === 'number' ? `${text} (${formatNumber(other, beside!.decimals)})` : text;
}

/** `1,234.5` */
export function formatNumber(value: number, decimals: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** A measure of balance: three decimals, or powers of ten where these would hide it; a dash for null. */
export function formatMeasure(value: number | null): string {
  if (value === null) return '-';
  return value !== 0 && Math.abs(value) < 0.0005 ? value.toExponential(2) : value.toFixed(3);
}

/** `1.25 ms`, `31.0 us` or `96 ns`. */
export function formatTime(milliseconds: number): string {
  if (milliseconds >= 1) return `${milliseconds.toFixed(2)} ms`;
  return milliseconds >= 1e-3 ? `${(1e3 * milliseconds).toFixed(1)} us` : `${(1e6 * milliseconds).toFixed(0)} ns`;
}

/** Columns for stdout: the first to the left, the others to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  return padded(rows, (column) => column > 0).map((row) => row.join('  ').trimEnd());
}

/** The lines of a Markdown table; columns of text to the left, of numbers to the right. */
export function markdownLines({ head, rows, numeric }: TextTable): string[] {
  const toRight = (column: number): boolean => column > 0 && numeric[column]!;
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', String.raw`\|`)));
  // Three wide at least, so that the rule below the head is one.
  const [first, ...lines] = padded(cells, toRight, 3) as [string[], ...string[][]];
  const rule = first.map((cell, i) => (toRight(i) ? `${'-'.repeat(cell.length - 1)}:` : '-'.repeat(cell.length)));
  return [first, rule, ...lines].map((row) => `| ${row.join(' | ')} |`);
}

/** Every cell as wide as the widest of its column, and no narrower than `least`. */
function padded(
  rows: readonly (readonly string[])[],
  toRight: (column: number) => boolean,
  least: number = 0,
): string[][] {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(least, ...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) => row.map((cell, i) => (toRight(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))));
}
