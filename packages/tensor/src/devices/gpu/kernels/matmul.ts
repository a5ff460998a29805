/**
 * Matrix products. A thread computes four neighbours of a row (gpu.js kernels have no shared memory, so what a thread keeps in
 * variables is all the reuse there is); they are returned together, which in memory is the row-major matrix. Widths that are no
 * multiple of four fall back to one element a thread.
 */
import type { Kernels } from '../../kernels.ts';
import { axes, indexOf, int } from '../axes.ts';
import type { Recorder } from '../recorder.ts';

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

/** Declares `sum0 ..`, runs over `rounds`, and adds `left * right(column)` to each lane; stops early where `until` says. */
export function dotLoop(
  columns: readonly string[],
  rounds: number,
  left: (round: string) => string,
  right: (round: string, column: string) => string,
  until?: (round: string) => string,
): string {
  const round = int('round');
  const stop = until === undefined ? '' : `if (${until(round)}) { break; }`;
  return `${eachColumn(columns, (_, lane) => `let sum${lane} = 0.0;`)}
    for (let round = 0; round < ${rounds}; round++) {
      ${stop}
      const left = ${left(round)};
      ${eachColumn(columns, (column, lane) => `sum${lane} = sum${lane} + left * ${right(round, column)};`)}
    }`;
}

/** Statements that set `group` to the group of a row: the last one whose offset is not above it. */
export function findGroup(row: string, groups: number): string {
  const lines = ['let group = 0.0;'];
  for (let step = 2 ** Math.ceil(Math.log2(Math.max(1, groups))) / 2; step >= 1; step /= 2) {
    lines.push(
      `if (${int('group')} + ${step} < ${groups}) { if (offsets[${int('group')} + ${step}] <= ${row}) { group = group + ${step}; } }`,
    );
  }
  return lines.join('\n');
}

export function matmulKernels(run: Recorder): Pick<Kernels, 'matmul' | 'groupedMatmul' | 'groupedMatmulTransposed'> {
  return {
    matmul({ a, b, out, batch, m, n, k, transposeA, transposeB, aBatchStride, bBatchStride, accumulate }) {
      if (out.elements === 0) return;
      if (k === 0) {
        if (!accumulate) run.store(out, run.constant(out.elements, 0));
        return;
      }
      const width = tileWidth(n);
      const { extents, at } = axes(n / width, m, batch);
      const value = run.launch({
        key: `matmul ${batch} ${m} ${n} ${k} ${transposeA} ${transposeB} ${aBatchStride} ${bBatchStride} ${accumulate}`,
        extents,
        width,
        buffers: { a: run.value(a), b: run.value(b), ...(accumulate && { old: run.value(out) }) },
        body: () => {
          const [x, row, batchAt] = [at[0]!, at[1]!, at[2]!];
          const columns = tileColumns(x, width);
          const aStrides = transposeA ? [1, m] : [k, 1];
          const bStrides = transposeB ? [1, k] : [n, 1];
          return `${dotLoop(
            columns,
            k,
            (round) => `a[${indexOf([row, round, batchAt], [...aStrides, aBatchStride])}]`,
            (round, column) => `b[${indexOf([round, column, batchAt], [...bStrides, bBatchStride])}]`,
          )}
          ${returnTile(columns, (column, lane) =>
            accumulate ? `sum${lane} + old[${indexOf([column, row, batchAt], [1, n, m * n])}]` : `sum${lane}`,
          )}`;
        },
      });
      run.store(out, value);
    },

    groupedMatmul({ x, weights, offsets, out, groups, rows, n, k, transposeWeights }) {
      if (out.elements === 0) return;
      const width = tileWidth(n);
      const { extents, at } = axes(n / width, rows);
      const value = run.launch({
        key: `groupedMatmul ${groups} ${rows} ${n} ${k} ${transposeWeights}`,
        extents,
        width,
        buffers: { x: run.value(x), weights: run.value(weights), offsets: run.value(offsets) },
        body: () => {
          const [tile, row] = [at[0]!, at[1]!];
          const columns = tileColumns(tile, width);
          const strides = transposeWeights ? [1, k] : [n, 1];
          return `${findGroup(row, groups)}
          ${dotLoop(
            columns,
            k,
            (round) => `x[${indexOf([row, round], [k, 1])}]`,
            (round, column) => `weights[${indexOf([round, column, int('group')], [...strides, n * k])}]`,
          )}
          ${returnTile(columns, (_, lane) => `sum${lane}`)}`;
        },
      });
      run.store(out, value);
    },

    groupedMatmulTransposed({ a, b, offsets, out, groups, rows, m, n }) {
      if (out.elements === 0) return;
      if (rows === 0) {
        run.store(out, run.constant(out.elements, 0));
        return;
      }
      const width = tileWidth(n);
      const { extents, at } = axes(n / width, m, groups);
      const value = run.launch({
        key: `groupedMatmulTransposed ${groups} ${rows} ${m} ${n}`,
        extents,
        width,
        buffers: { a: run.value(a), b: run.value(b), offsets: run.value(offsets) },
        body: () => {
          const [tile, aColumn, group] = [at[0]!, at[1]!, at[2]!];
          const columns = tileColumns(tile, width);
          const row = (round: string): string => `(${int('first')} + ${round})`;
          return `const first = offsets[${group}];
          const size = offsets[${group} + 1] - first;
          ${dotLoop(
            columns,
            rows,
            (round) => `a[${indexOf([row(round), aColumn], [m, 1])}]`,
            (round, column) => `b[${indexOf([row(round), column], [n, 1])}]`,
            (round) => `${round} >= size`,
          )}
          ${returnTile(columns, (_, lane) => `sum${lane}`)}`;
        },
      });
      run.store(out, value);
    },
  };
}
