/** A table of numbers as plain data, and its cells as text. */
import type { MeasureRange } from '@lpr/metrics';

/** A number with what is to be known of it. */
export interface Measured {
  readonly value: number;
  /** Half the width of its 95 % interval, printed behind `±`; null or left out where there is none. */
  readonly error?: number | null;
  /** Whether it has a plus where it is above 0. */
  readonly isDifference?: boolean;
  /** Behind it, explained by a note. */
  readonly mark?: string;
}

/** A range is printed as its mean with the range in brackets. null: there is no such number, printed as a dash. */
export type Cell = string | number | Measured | MeasureRange | null;

/** Cells by the keys of their columns; one that is missing prints as nothing. */
export type Row = Readonly<Record<string, Cell>>;

export interface Column {
  readonly key: string;
  readonly title: string;
  /** What its numbers say. */
  readonly meaning?: string | undefined;
  /** Numbers are printed with so many, thousands set apart; without it and `format`, as they are. */
  readonly decimals?: number | undefined;
  /** As `formatMeasure`, `formatTime`, `formatProbability` or `formatShort`; `plain`: a number as it is. */
  readonly format?: 'measure' | 'milliseconds' | 'probability' | 'short' | 'plain' | undefined;
  /**
   * The key of another number of the row, printed behind it in brackets; with the column's format unless it has
   * decimals.
   */
  readonly beside?: { readonly key: string; readonly decimals?: number | undefined } | undefined;
}

/** Rows below the others, with a line above them that says what they are. */
export interface RowGroup {
  readonly heading?: string;
  readonly rows: readonly Row[];
}

export interface TableRecord {
  /** What it is of. */
  readonly title: string;
  /** The first column names the row. */
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  readonly below?: readonly RowGroup[];
  /** What a reader must know to judge the numbers, a sentence each. */
  readonly notes: readonly string[];
}

/** A table of which only the widths of its columns are to be found. */
export interface TextTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Whether a column holds numbers, which are set to the right. */
  readonly numeric: readonly boolean[];
  /** Lines above some rows, by the index of the row. */
  readonly headings?: ReadonlyMap<number, string>;
}

/**
 * The rows of a table by what a column holds, as their numbers: numbers by their size, other text by its letters, what
 * is missing last in either order.
 */
export function rowOrder(
  { rows }: Pick<TableRecord, 'rows'>,
  key: string,
  order: 'ascending' | 'descending',
): readonly number[] {
  const values = rows.map((row) => sortValue(row[key]));
  const sign = order === 'ascending' ? 1 : -1;
  return [...rows.keys()].toSorted((a, b) => {
    const [one, other] = [values[a]!, values[b]!];
    if (one === null || other === null) return Number(one === null) - Number(other === null);
    if (typeof one === 'number' && typeof other === 'number') return sign * (one - other);
    return sign * String(one).localeCompare(String(other), 'en', { numeric: true });
  });
}

function sortValue(cell: Cell | undefined): number | string | null {
  if (cell === undefined || cell === null || cell === '') return null;
  if (typeof cell === 'string') return Number.isFinite(Number(cell)) ? Number(cell) : cell;
  const value = typeof cell === 'number' ? cell : 'low' in cell ? cell.mean : cell.value;
  return Number.isNaN(value) ? null : value;
}

/** Every cell as text. */
export function textTable({ columns, rows, below = [] }: Omit<TableRecord, 'title' | 'notes'>): TextTable {
  const headings = new Map<number, string>();
  const all = [...rows];
  for (const group of below) {
    if (group.heading !== undefined && group.rows.length > 0) headings.set(all.length, group.heading);
    all.push(...group.rows);
  }
  return {
    head: columns.map(({ title }) => title),
    rows: all.map((row) => columns.map((column) => cellText(column, row))),
    numeric: columns.map(({ decimals, format }) => decimals !== undefined || format !== undefined),
    ...(headings.size > 0 && { headings }),
  };
}

function cellText(column: Column, row: Row): string {
  const { key, beside } = column;
  const value = row[key];
  if (value === undefined) return '';
  if (value === null || Number.isNaN(value)) return '-';
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && 'low' in value) return rangeText(value, (number) => numberText(column, number));
  const text = typeof value === 'number' ? numberText(column, value) : measuredText(column, value);
  const other = beside === undefined ? undefined : row[beside.key];
  if (typeof other !== 'number' || Number.isNaN(other)) return text;
  const inBrackets = beside?.decimals === undefined ? numberText(column, other) : formatNumber(other, beside.decimals);
  return `${text} (${inBrackets})`;
}

/** `+0.231 ± 0.012 *`; an error that its decimals would hide as `<0.001`. */
function measuredText(column: Column, { value, error, isDifference = false, mark }: Measured): string {
  if (Number.isNaN(value)) return '-';
  const sign = isDifference && value > 0 ? '+' : '';
  return [
    `${sign}${numberText(column, value)}`,
    ...(typeof error === 'number' ? [`± ${errorText(error, column.decimals ?? 3)}`] : []),
    ...(mark === undefined ? [] : [mark]),
  ].join(' ');
}

function errorText(error: number, decimals: number): string {
  const least = 10 ** -decimals;
  return error > 0 && error < least / 2 ? `<${formatNumber(least, decimals)}` : formatNumber(error, decimals);
}

function numberText({ format, decimals }: Column, value: number): string {
  if (Number.isNaN(value)) return '-';
  if (format === 'measure') return formatMeasure(value, decimals);
  if (format === 'milliseconds') return formatTime(value);
  if (format === 'probability') return formatProbability(value);
  if (format === 'short') return formatShort(value);
  return decimals === undefined ? String(value) : formatNumber(value, decimals);
}

/** `0.004 (0.003-0.005)`; the mean alone where chance does not move it. */
export function rangeText({ mean, low, high }: MeasureRange, text: (value: number) => string): string {
  return low === high ? text(mean) : `${text(mean)} (${text(low)}-${text(high)})`;
}

/** "8,192 held-out tokens" where all have so many, else "held-out text". */
export function tokensText(tokens: readonly number[], text: 'held-out' | 'training' = 'held-out'): string {
  const [only, ...others] = new Set(tokens);
  return only === undefined || others.length > 0 ? `${text} text` : `${formatNumber(only, 0)} ${text} tokens`;
}

/** `1,234.5` */
export function formatNumber(value: number, decimals: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

const UNITS = ['', 'k', 'M', 'B', 'T', 'P', 'E'];

/** Three digits and a unit: `644M`, `1.11B`, `820`. */
export function formatShort(value: number): string {
  const last = UNITS.length - 1;
  const unit = Math.min(last, Math.max(0, Math.floor(Math.log10(Math.abs(value)) / 3)));
  const digits = Number((value / 1e3 ** unit).toPrecision(3));
  // What is rounded up to a thousand has the next unit: 999,600 is 1M.
  return Math.abs(digits) >= 1e3 && unit < last ? `${digits / 1e3}${UNITS[unit + 1]}` : `${digits}${UNITS[unit]}`;
}

/** A measure with its decimals, or powers of ten where these would hide it; a dash where there is none. */
export function formatMeasure(value: number | null | undefined, decimals: number = 3): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '-';
  const hidden = value !== 0 && Math.abs(value) < 0.5 * 10 ** -decimals;
  return hidden ? value.toExponential(2) : value.toFixed(decimals);
}

/** `0.940`, `1.2e-7`, or `<1e-300` of what is smaller than numbers can be. */
export function formatProbability(value: number): string {
  if (value === 0) return '<1e-300';
  return value < 0.001 ? value.toExponential(1) : value.toFixed(3);
}

/** `1.25 ms`, `31.0 us` or `96 ns`. */
export function formatTime(milliseconds: number): string {
  if (milliseconds >= 1) return `${milliseconds.toFixed(2)} ms`;
  return milliseconds >= 1e-3 ? `${(1e3 * milliseconds).toFixed(1)} us` : `${(1e6 * milliseconds).toFixed(0)} ns`;
}

/** Columns without those of the given keys that no row has anything in. */
export function filledColumns(
  columns: readonly Column[],
  optional: readonly string[],
  rows: readonly Row[],
): readonly Column[] {
  return columns.filter(
    ({ key }) => !optional.includes(key) || rows.some((row) => row[key] !== undefined && row[key] !== null),
  );
}
