/**
 * The matrix product: with workgroup memory where it is large enough (products.ts), else a thread computes four
 * neighbours of a row (tiles.ts).
 */
import type { MatmulKernels } from '../../kernels/matmul.ts';
import { axes, indexOf } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';
import { tiledProduct } from './products.ts';
import { dotLoop, returnTile, tileColumns, tileWidth } from './tiles.ts';

/**
 * From this many rows for each matrix on, a transposed right matrix is first turned: its reads, a whole row apart from
 * thread to thread, would miss what the threads beside have loaded.
 */
export const ROWS_WORTH_TURNING = 64;

/** `count` matrices `[rows, columns]`, each transposed. */
export function turned(run: Recorder, x: Value, rows: number, columns: number, count: number): Value {
  const { extents, at } = axes(rows, columns, count);
  return run.launch({
    key: `turn ${rows} ${columns} ${at.join()}`,
    extents,
    buffers: { x },
    body: () => `return x[${indexOf(at, [columns, 1, rows * columns])}];`,
  });
}

export function matmulKernels(run: Recorder): MatmulKernels {
  return {
    matmul({ a, b, out, batch, m, n, k, transposeA, transposeB, aBatchStride, bBatchStride, accumulate }) {
      if (out.elements === 0) return;
      if (k === 0) {
        if (!accumulate) run.store(out, run.constant(out.elements, 0));
        return;
      }
      const old = accumulate ? run.value(out) : null;
      const layout = { batch, m, n, k, transposeA, transposeB, aBatchStride, bBatchStride };
      const tiled = tiledProduct(run, { ...layout, a: run.value(a), b: run.value(b), old });
      if (tiled !== null) {
        run.store(out, tiled);
        return;
      }
      const rightMatrices = bBatchStride === 0 ? 1 : batch;
      const turn = transposeB && (m * batch) / rightMatrices >= ROWS_WORTH_TURNING;
      const right = turn ? turned(run, run.value(b), n, k, rightMatrices) : run.value(b);
      const bStrides = transposeB && !turn ? [1, k] : [n, 1];
      const left = run.reader('a', a);
      const width = tileWidth(n);
      const { extents, at } = axes(n / width, m, batch);
      const value = run.launch({
        key: `matmul ${batch} ${m} ${n} ${k} ${transposeA} ${bStrides.join()} ${aBatchStride} ${bBatchStride} ${accumulate} ${left.key}`,
        extents,
        width,
        buffers: { ...left.buffers, b: right, ...(old !== null && { old }) },
        body: () => {
          const [x, row, batchAt] = [at[0]!, at[1]!, at[2]!];
          const columns = tileColumns(x, width);
          const aStrides = transposeA ? [1, m] : [k, 1];
          return `${dotLoop(
            columns,
            k,
            (round) => left.at(`(${indexOf([row, round, batchAt], [...aStrides, aBatchStride])})`),
            (round, column) => `b[${indexOf([round, column, batchAt], [...bStrides, bBatchStride])}]`,
          )}
          ${returnTile(columns, (column, lane) =>
            accumulate ? `sum${lane} + old[${indexOf([column, row, batchAt], [1, n, m * n])}]` : `sum${lane}`,
          )}`;
        },
      });
      run.store(out, value);
    },
  };
}
