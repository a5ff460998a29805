/** Tables as lines of text: aligned columns for a terminal, and Markdown. */
import { type TableRecord, type TextTable, textTable } from './table.ts';

/** A table with its title above it and its notes below, for a terminal. */
export function tableText(table: TableRecord): string {
  return [...(table.title === '' ? [] : [table.title]), ...alignedLines(textTable(table)), ...table.notes].join('\n');
}

/** Columns of text to the left, of numbers to the right. */
export function alignedLines({ head, rows, numeric, headings }: TextTable): string[] {
  const lines = padded([head, ...rows], toRight(numeric)).map((row) => row.join('  ').trimEnd());
  return lines.flatMap((line, i) => {
    const heading = headings?.get(i - 1);
    return heading === undefined ? [line] : [heading, line];
  });
}

/** The lines of a Markdown table; columns of text to the left, of numbers to the right. */
export function markdownLines({ head, rows, numeric, headings }: TextTable): string[] {
  const withHeadings = rows.flatMap((row, i) => {
    const heading = headings?.get(i);
    return heading === undefined ? [row] : [[`_${heading}_`, ...head.slice(1).map(() => '')], row];
  });
  const cells = [head, ...withHeadings].map((row) => row.map((cell) => cell.replaceAll('|', String.raw`\|`)));
  // Three wide at least, so that the rule below the head is one.
  const right = toRight(numeric);
  const [first, ...lines] = padded(cells, right, 3) as [string[], ...string[][]];
  const rule = first.map((cell, i) => (right(i) ? `${'-'.repeat(cell.length - 1)}:` : '-'.repeat(cell.length)));
  return [first, rule, ...lines].map((row) => `| ${row.join(' | ')} |`);
}

/** Rows of cells for a terminal: the first column to the left, the others to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  return padded(rows, (column) => column > 0).map((row) => row.join('  ').trimEnd());
}

function toRight(numeric: readonly boolean[]): (column: number) => boolean {
  return (column) => column > 0 && numeric[column]!;
}

/** Every cell as wide as the widest of its column, and no narrower than `least`. */
function padded(
  rows: readonly (readonly string[])[],
  right: (column: number) => boolean,
  least: number = 0,
): string[][] {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(least, ...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) => row.map((cell, i) => (right(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))));
}
