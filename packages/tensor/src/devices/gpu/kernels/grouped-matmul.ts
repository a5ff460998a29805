/**
 * Matrix products of groups of rows, with workgroup memory where groups are large enough (products.ts); else each row
 * searches for its group, and each group runs over its rows.
 */
import type { GroupedMatmulKernels } from '../../kernels/grouped-matmul.ts';
import { axes, indexOf, int } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import { ROWS_WORTH_TURNING, turned } from './matmul.ts';
import { tiledGroupedProduct, tiledGroupedTransposedProduct } from './products.ts';
import { dotLoop, returnTile, tileColumns, tileWidth } from './tiles.ts';

/** Statements that set `group` to the group of a row: the last one whose offset is not above it. */
function findGroup(row: string, groups: number): string {
  const lines = ['let group = 0.0;'];
  for (let step = 2 ** Math.ceil(Math.log2(Math.max(1, groups))) / 2; step >= 1; step /= 2) {
    lines.push(
      `if (${int('group')} + ${step} < ${groups}) { if (offsets[${int('group')} + ${step}] <= ${row}) { group = group + ${step}; } }`,
    );
  }
  return lines.join('\n');
}

export function groupedMatmulKernels(run: Recorder): GroupedMatmulKernels {
  return {
    groupedMatmul({ x, weights, offsets, out, groups, rows, n, k, transposeWeights }) {
      if (out.elements === 0) return;
      const tiled = tiledGroupedProduct(run, {
        a: run.value(x),
        b: run.value(weights),
        offsets: run.value(offsets),
        ...{ m: rows, n, k, groups, transposeA: false, transposeB: transposeWeights },
      });
      if (tiled !== null) {
        run.store(out, tiled);
        return;
      }
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
      const given = { a: run.value(a), b: run.value(b), offsets: run.value(offsets) };
      const tiled = tiledGroupedTransposedProduct(run, { ...given, m, n, groups, rows });
      if (tiled !== null) {
        run.store(out, tiled);
        return;
      }
      const width = tileWidth(n);
      const { extents, at } = axes(n / width, m, groups);
      const value = run.launch({
        key: `groupedMatmulTransposed ${groups} ${rows} ${m} ${n}`,
        extents,
        width,
        buffers: given,
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
