/**
 * Matrix products. A thread computes four neighbours of a row (gpu.js kernels have no shared memory, so what a thread
 * keeps in variables is all the reuse there is); they are returned together, which in memory is the row-major matrix.
 * Widths that are no multiple of four fall back to one element a thread.
 */
import type { Kernels } from '../../kernels.ts';
import { axes, indexOf, int } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';

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

/**
 * From this many rows for each matrix on, a transposed right matrix is first turned: its reads, a whole row apart from
 * thread to thread, would miss what the threads beside have loaded.
 */
const ROWS_WORTH_TURNING = 64;

/** `count` matrices `[rows, columns]`, each transposed. */
function turned(run: Recorder, x: Value, rows: number, columns: number, count: number): Value {
  const { extents, at } = axes(rows, columns, count);
  return run.launch({
    key: `turn ${rows} ${columns} ${at.join()}`,
    extents,
    buffers: { x },
    body: () => `return x[${indexOf(at, [columns, 1, rows * columns])}];`,
  });
}

export function matmulKernels(run: Recorder): Pick<Kernels, 'matmul' | 'groupedMatmul' | 'groupedMatmulTransposed'> {
  return {
    matmul({ a, b, out, batch, m, n, k, transposeA, transposeB, aBatchStride, bBatchStride, accumulate }) {
      if (out.elements === 0) return;
      if (k === 0) {
        if (!accumulate) run.store(out, run.constant(out.elements, 0));
        return;
      }
      const rightMatrices = bBatchStride === 0 ? 1 : batch;
      const turn = transposeB && (m * batch) / rightMatrices >= ROWS_WORTH_TURNING;
      const right = turn ? turned(run, run.value(b), n, k, rightMatrices) : run.value(b);
      const bStrides = transposeB && !turn ? [1, k] : [n, 1];
      const width = tileWidth(n);
      const { extents, at } = axes(n / width, m, batch);
      const value = run.launch({
        key: `matmul ${batch} ${m} ${n} ${k} ${transposeA} ${bStrides.join()} ${aBatchStride} ${bBatchStride} ${accumulate}`,
        extents,
        width,
        buffers: { a: run.value(a), b: right, ...(accumulate && { old: run.value(out) }) },
        body: () => {
          const [x, row, batchAt] = [at[0]!, at[1]!, at[2]!];
          const columns = tileColumns(x, width);
          const aStrides = transposeA ? [1, m] : [k, 1];
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
      const turn = transposeWeights && rows >= ROWS_WORTH_TURNING * groups;
      const matrices = turn ? turned(run, run.value(weights), n, k, groups) : run.value(weights);
      const strides = transposeWeights && !turn ? [1, k] : [n, 1];
      const width = tileWidth(n);
      const { extents, at } = axes(n / width, rows);
      const value = run.launch({
        key: `groupedMatmul ${groups} ${rows} ${n} ${k} ${strides.join()}`,
        extents,
        width,
        buffers: { x: run.value(x), weights: matrices, offsets: run.value(offsets) },
        body: () => {
          const [tile, row] = [at[0]!, at[1]!];
          const columns = tileColumns(tile, width);
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
