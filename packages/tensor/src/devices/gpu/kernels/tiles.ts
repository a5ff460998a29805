/**
 * How a thread computes four neighbours of a row: gpu.js kernels have no shared memory, so what a thread keeps in
 * variables is all the reuse there is. The four are returned together, which in memory is the row-major matrix. Widths
 * that are no multiple of four fall back to one element a thread.
 */
import { int } from '../axes.ts';

/** Neighbours of a row that one thread computes. */
export function tileWidth(columns: number): 1 | 4 {
  return columns % 4 === 0 ? 4 : 1;
}

/** The integer expressions of the columns of a tile at place `at` along the row. */
export function tileColumns(at: string, width: 1 | 4): string[] {
  return width === 1 ? [at] : [0, 1, 2, 3].map((lane) => `(${at} * 4 + ${lane})`);
}

/** `sum0 = sum0 + ...` for every column of a tile. */
export function eachColumn(columns: readonly string[], line: (column: string, lane: number) => string): string {
  return columns.map(line).join('\n');
}

/** Returns the tile's expressions, one for each lane. */
export function returnTile(columns: readonly string[], expression: (column: string, lane: number) => string): string {
  return columns.length === 1
    ? `return ${expression(columns[0]!, 0)};`
    : `return [${columns.map(expression).join(', ')}];`;
}

/** Rounds of a loop that are written out: a round is short, so counting them costs as much as it does. */
const UNROLL = 4;

/**
 * Declares `sum0 ..`, runs over `rounds`, and adds `left * right(column)` to each lane; stops early where `until` says.
 */
export function dotLoop(
  columns: readonly string[],
  rounds: number,
  left: (round: string) => string,
  right: (round: string, column: string) => string,
  until?: (round: string) => string,
): string {
  const step = (round: string, name: string): string => `const ${name} = ${left(round)};
    ${eachColumn(columns, (column, lane) => `sum${lane} = sum${lane} + ${name} * ${right(round, column)};`)}`;
  const inLoop = Array.from({ length: UNROLL }, (_, i) => {
    const round = `(${int('round')} * ${UNROLL} + ${i})`;
    return `${until === undefined ? '' : `if (${until(round)}) { break; }`}\n${step(round, `left${i}`)}`;
  });
  const whole = Math.floor(rounds / UNROLL);
  const rest = Array.from({ length: rounds - whole * UNROLL }, (_, i) => {
    const round = `${whole * UNROLL + i}`;
    const lines = step(round, `rest${i}`);
    return until === undefined ? lines : `if (!(${until(round)})) { ${lines} }`;
  });
  return `${eachColumn(columns, (_, lane) => `let sum${lane} = 0.0;`)}
    ${whole === 0 ? '' : `for (let round = 0; round < ${whole}; round++) { ${inLoop.join('\n')} }`}
    ${rest.join('\n')}`;
}
