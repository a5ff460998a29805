/**
 * Launches over rows `[rows, columns]` with numbers of whole rows in them (a mean, a largest element). Threads that
 * belong to a short row compute such a number each for themselves: they read the same elements at once, and nothing is
 * launched or written for it.
 */
import type { ReduceOp } from '../../kernels/reduce.ts';
import { indexOf, int, product } from '../axes.ts';
import type { Recorder, Section } from '../recorder.ts';
import type { Value } from '../value.ts';
import { reduceElements, reduceLoop } from './reduce.ts';
import { eachColumn, returnTile, tileColumns, tileWidth } from './tiles.ts';

/** The most columns for which threads compute the numbers of their row themselves. */
export const SHORT_ROW = 256;

/** From this many rows on, sums over rows are taken in parts, whose sums are added up by another launch. */
const ROWS_WORTH_PARTS = 64;

/** The expression of an element, from its index and the integer expressions of its row and column. */
export type Element = (at: string, row: string, column: string) => string;

/** A number of each row. */
export interface RowNumber {
  /** One element a row; null when threads compute it themselves. */
  readonly value: Value | null;
  /** What launches that use it must bind besides the buffers that it is computed from. */
  readonly buffers: Readonly<Record<string, Value>>;
  /** Statements that must come before its use in a thread. */
  readonly declare: (row: string) => string;
  /** Its expression. */
  readonly of: (row: string) => string;
}

export interface RowReduction {
  /** Its variable in the kernels that use it. */
  readonly name: string;
  /** Names what is reduced, with the numbers baked into `element`. */
  readonly key: string;
  readonly rows: number;
  readonly columns: number;
  readonly buffers: Readonly<Record<string, Value>>;
  readonly numbers?: Readonly<Record<string, number>>;
  readonly element: Element;
  readonly op?: ReduceOp;
  /** What is made of the reduced `total`, an expression. */
  readonly finish?: string;
}

/** One number a row: the sum (or maximum) over its columns of an expression. */
function reduceRows(run: Recorder, { element, rows, columns, op = 'sum', ...rest }: RowReduction): Value {
  return reduceElements(run, {
    ...rest,
    op,
    outer: rows,
    length: columns,
    inner: 1,
    element: (row, column) => element(indexOf([column, row], [1, columns]), row, column),
  });
}

/** As reduceRows, but of short rows left to the threads that use it; these get the number `lowest`, minus infinity. */
export function rowNumber(run: Recorder, reduction: RowReduction): RowNumber {
  const { name, columns, element, op = 'sum', finish = 'total' } = reduction;
  if (columns === 0 || columns > SHORT_ROW) {
    const value = reduceRows(run, reduction);
    return { value, buffers: { [`${name}s`]: value }, declare: () => '', of: (row) => `${name}s[${row}]` };
  }
  const total = `${name}Total`;
  return {
    value: null,
    buffers: {},
    declare: (row) => {
      const loop = reduceLoop(op, columns, total, op === 'sum' ? '0.0' : 'lowest', (column) => ({
        guard: null,
        value: element(indexOf([column, row], [1, columns]), row, column),
      }));
      return `${loop}\nconst ${name} = ${finish.replaceAll(/\btotal\b/g, total)};\n`;
    },
    of: () => name,
  };
}

export interface RowLaunch {
  readonly key: string;
  readonly rows: number;
  /** At least 1. */
  readonly columns: number;
  readonly buffers: Readonly<Record<string, Value>>;
  readonly numbers?: Readonly<Record<string, number>>;
  /** In the order in which they use one another. */
  readonly rowNumbers?: readonly RowNumber[];
  readonly element: Element;
  /** Further sums over all rows, one number a column each; they may not use row numbers. */
  readonly columnSums?: readonly Element[];
}

/** What `overRows` gives: the elements `[rows, columns]`, each row number `[rows]`, each column sum `[columns]`. */
export interface RowResults {
  readonly elements: Value;
  readonly rowNumbers: readonly Value[];
  readonly columnSums: readonly Value[];
}

/** One launch, and another one where column sums were taken in parts. */
export function overRows(run: Recorder, launch: RowLaunch, keepRowNumbers = false): RowResults {
  const { rows, columns, rowNumbers = [], columnSums = [], element } = launch;
  const width = tileWidth(columns);
  const declare = (row: string): string => rowNumbers.map((number) => number.declare(row)).join('');
  const elements: Section = {
    sizes: [columns / width, rows],
    body: ([tile, row]) => {
      const all = tileColumns(tile!, width);
      const result = (column: string): string => element(indexOf([column, row!], [1, columns]), row!, column);
      return `${declare(row!)}${returnTile(all, result)}`;
    },
  };
  const kept = keepRowNumbers ? rowNumbers.filter(({ value }) => value === null) : [];
  const parts = partsOf(rows);
  const [made, ...others] = run.launchSections({
    key: `${launch.key} ${columns} ${rows}`,
    width,
    buffers: Object.assign({ ...launch.buffers }, ...rowNumbers.map(({ buffers }) => buffers)) as Record<string, Value>,
    numbers: { ...launch.numbers, lowest: Number.NEGATIVE_INFINITY },
    sections: [
      elements,
      ...kept.map((number) => rowNumberSection(declare, number, rows, width)),
      ...columnSums.map((sum) => columnSumSection(sum, rows, columns, parts)),
    ],
  });
  const keptValues = others.slice(0, kept.length);
  return {
    elements: made!,
    rowNumbers: keepRowNumbers ? rowNumbers.map(({ value }) => value ?? keptValues.shift()!) : [],
    columnSums: addParts(run, others.slice(kept.length), parts, columns),
  };
}

/** Column sums alone, in one launch, and another one where they were taken in parts. */
export function columnSumsOf(
  run: Recorder,
  {
    key,
    rows,
    columns,
    buffers,
    columnSums,
  }: Pick<RowLaunch, 'key' | 'rows' | 'columns' | 'buffers'> & {
    readonly columnSums: readonly Element[];
  },
): readonly Value[] {
  const parts = partsOf(rows);
  const sums = run.launchSections({
    key: `${key} ${columns} ${rows}`,
    width: tileWidth(columns),
    buffers,
    sections: columnSums.map((sum) => columnSumSection(sum, rows, columns, parts)),
  });
  return addParts(run, sums, parts, columns);
}

function partsOf(rows: number): number {
  return rows < ROWS_WORTH_PARTS ? 1 : Math.ceil(Math.sqrt(rows));
}

/** A thread writes the numbers of `width` rows. */
function rowNumberSection(declare: (row: string) => string, number: RowNumber, rows: number, width: 1 | 4): Section {
  return {
    sizes: [Math.ceil(rows / width)],
    elements: rows,
    body: ([at]) => {
      const lanes = tileColumns(at!, width);
      const row = `(${indexOf([at!], [width])} + ${int('lane')})`;
      return `${eachColumn(lanes, (_, lane) => `let result${lane} = 0.0;`)}
        for (let lane = 0; lane < ${width}; lane++) {
          ${declare(row)}
          ${eachColumn(lanes, (_, lane) => `if (lane === ${lane}) { result${lane} = ${number.of(row)}; }`)}
        }
        ${returnTile(lanes, (_, lane) => `result${lane}`)}`;
    },
  };
}

/** A thread adds up some columns over one of `parts` parts of the rows; the result is `[parts, columns]`. */
function columnSumSection(element: Element, rows: number, columns: number, parts: number): Section {
  const width = tileWidth(columns);
  const rounds = Math.ceil(rows / parts);
  return {
    sizes: [columns / width, parts],
    body: ([tile, part]) => {
      const all = tileColumns(tile!, width);
      const row = `(${indexOf([part!], [rounds])} + ${int('round')})`;
      return `${eachColumn(all, (_, lane) => `let sum${lane} = 0.0;`)}
        for (let round = 0; round < ${rounds}; round++) {
          ${rounds * parts > rows ? `if (${row} >= ${rows}) { break; }` : ''}
          ${eachColumn(all, (column, lane) => {
            return `sum${lane} = sum${lane} + ${element(indexOf([column, row], [1, columns]), row, column)};`;
          })}
        }
        ${returnTile(all, (_, lane) => `sum${lane}`)}`;
    },
  };
}

/** Adds up the parts of sums that lie one after the other in one block. */
function addParts(run: Recorder, sums: readonly Value[], parts: number, columns: number): readonly Value[] {
  const [first] = sums;
  if (first === undefined || parts === 1) return sums;
  const shape = [sums.length, parts, columns] as const;
  const total = reduceElements(run, {
    op: 'sum',
    outer: sums.length,
    length: parts,
    inner: columns,
    key: 'x',
    buffers: { x: run.part(first.whole, first.offset, product(shape)) },
    element: (sum, part, column) => `x[${indexOf([column, part, sum], [1, columns, columns * parts])}]`,
  });
  return sums.map((_, i) => run.part(total, i * columns, columns));
}
