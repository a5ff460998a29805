/** Selection along rows: the k largest elements, and elements taken and put by index. */
import { record } from '../autograd.ts';
import { formatShape, sizeOf } from '../shape.ts';
import { checkIndices, Tensor } from '../tensor.ts';
import { rowsOf } from './rows.ts';

/** The largest elements of each row, and where they stand. */
export interface TopK {
  /** f32 `[..., k]`, descending. */
  readonly values: Tensor;
  /** i32 `[..., k]`, distinct; the lowest index comes first among equal values. */
  readonly indices: Tensor;
}

/** The k largest elements along the last axis. Gradients flow through `values`. */
export function topK(x: Tensor, k: number): TopK {
  const { rows, columns } = rowsOf('topK', x);
  if (!Number.isInteger(k) || k < 1 || k > columns) {
    throw new RangeError(
      `topK: k must be a whole number from 1 to ${columns} (the last axis of ${formatShape(x.shape)}), got ${k}`,
    );
  }
  const shape = [...x.shape.slice(0, -1), k];
  const values = new Tensor(x.device, shape);
  const indices = new Tensor(x.device, shape, 'i32');
  x.device.kernels.topK({ x: x.buffer, values: values.buffer, indices: indices.buffer, rows, columns, k });
  record('topK', values, [x], [indices], (gradient, [savedIndices]) => [
    scatterAlongRows(gradient, savedIndices!, columns),
  ]);
  return { values, indices };
}

/**
 * `out[..., j] = x[..., indices[..., j]]` along the last axis; elements that a row takes several times get the sum of
 * their gradients.
 */
export function takeAlongRows(x: Tensor, indices: Tensor): Tensor {
  const { rows, columns } = rowsOf('takeAlongRows', x);
  const k = indicesPerRow('takeAlongRows', rows, columns, indices);
  const out = new Tensor(x.device, [...x.shape.slice(0, -1), k]);
  x.device.kernels.takeAlongRows({ x: x.buffer, indices: indices.buffer, out: out.buffer, rows, columns, k });
  return record('takeAlongRows', out, [x], [indices], (gradient, [savedIndices]) => [
    scatter(gradient, savedIndices!, columns, 0, true),
  ]);
}

/**
 * `[..., columns]` filled with `fill`, but `out[..., indices[..., j]] = x[..., j]`; the indices of a row are distinct.
 */
export function scatterAlongRows(x: Tensor, indices: Tensor, columns: number, fill = 0): Tensor {
  const { rows, columns: k } = rowsOf('scatterAlongRows', x);
  if (indicesPerRow('scatterAlongRows', rows, columns, indices) !== k || k > columns) {
    throw new RangeError(
      `scatterAlongRows: x ${formatShape(x.shape)}, indices ${formatShape(indices.shape)}, ${columns} columns: expected one index an element`,
    );
  }
  const out = scatter(x, indices, columns, fill, false);
  return record('scatterAlongRows', out, [x], [indices], (gradient, [savedIndices]) => [
    takeAlongRows(gradient, savedIndices!),
  ]);
}

function scatter(x: Tensor, indices: Tensor, columns: number, fill: number, accumulate: boolean): Tensor {
  const { rows, columns: k } = rowsOf('scatterAlongRows', x);
  const out = new Tensor(x.device, [...x.shape.slice(0, -1), columns]);
  x.device.kernels.scatterAlongRows({
    x: x.buffer,
    indices: indices.buffer,
    out: out.buffer,
    fill,
    accumulate,
    rows,
    columns,
    k,
  });
  return out;
}

function indicesPerRow(op: string, rows: number, columns: number, indices: Tensor): number {
  checkIndices(op, 'indices', indices, columns, 'columns');
  if (indices.shape.length === 0 || sizeOf(indices.shape.slice(0, -1)) !== rows) {
    throw new RangeError(`${op}: indices ${formatShape(indices.shape)} do not have ${rows} rows`);
  }
  return indices.shape.at(-1)!;
}
