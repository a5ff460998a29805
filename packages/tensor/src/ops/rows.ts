/**
 * Ops that pick, group and add up whole rows: embeddings, top-k selection, and what sends tokens to experts and back.
 * Backwards of gathers are sums over sorted indices, so they need no atomic additions and always add in the same order.
 */
import { record } from '../autograd.ts';
import { formatShape, sizeOf } from '../shape.ts';
import { checkDType, checkIndices, deviceOf, Tensor } from '../tensor.ts';
import { rowsOf } from './normalization.ts';

/**
 * How keys in `[0, segments)` sort into segments, all i32 on the device: `counts` `[segments]`; `offsets` `[segments +
 * 1]`; `order` `[count]`, the index of the key at each sorted place; `inverse` `[count]`, the sorted place of each key.
 */
export interface SegmentPlan {
  readonly keys: Tensor;
  readonly counts: Tensor;
  readonly offsets: Tensor;
  readonly order: Tensor;
  readonly inverse: Tensor;
  /**
   * Places that `order` lists: all keys, or fewer where a caller left out the last ones and let their keys share a
   * place.
   */
  readonly count: number;
  readonly segments: number;
}

/** Sorts i32 keys of any shape into segments, stably. Throws for keys outside `[0, segments)`. */
export function segmentPlan(keys: Tensor, segments: number): SegmentPlan {
  checkIndices('segmentPlan', 'keys', keys, segments, 'segments');
  const { device, size: count } = keys;
  const plan = {
    keys,
    counts: new Tensor(device, [segments], 'i32'),
    offsets: new Tensor(device, [segments + 1], 'i32'),
    order: new Tensor(device, [count], 'i32'),
    inverse: new Tensor(device, [count], 'i32'),
    count,
    segments,
  };
  device.kernels.segmentPlan({
    keys: keys.buffer,
    counts: plan.counts.buffer,
    offsets: plan.offsets.buffer,
    order: plan.order.buffer,
    inverse: plan.inverse.buffer,
    count,
    segments,
  });
  return plan;
}

/**
 * Rows of `table` `[rows, width]` by i32 `ids` of any shape: gives `[...ids, width]`. Throws for ids outside `[0,
 * rows)`.
 */
export function embedding(table: Tensor, ids: Tensor): Tensor {
  const { rows: tableRows, columns } = matrixOf('embedding', 'table', table);
  checkIndices('embedding', 'ids', ids, tableRows, 'rows in the table');
  const device = deviceOf('embedding', table, ids);
  const out = new Tensor(device, [...ids.shape, columns]);
  device.kernels.gatherRows({
    table: table.buffer,
    height: tableRows,
    indices: ids.buffer,
    divisor: 1,
    weights: null,
    out: out.buffer,
    rows: ids.size,
    columns,
  });
  return record('embedding', out, [table], [ids], (gradient, [savedIds]) => {
    const { order, offsets } = segmentPlan(savedIds!, tableRows);
    const gradTable = new Tensor(device, table.shape);
    device.kernels.segmentSum({
      x: gradient.buffer,
      height: savedIds!.size,
      order: order.buffer,
      offsets: offsets.buffer,
      divisor: 1,
      out: gradTable.buffer,
      segments: tableRows,
      columns,
    });
    return [gradTable];
  });
}

/**
 * Sends each token to its k experts: x `[tokens, width]` to `[tokens * k, width]`, sorted by expert. The plan sorts the
 * `[tokens, k]` choices.
 */
export function dispatchRows(x: Tensor, plan: SegmentPlan): Tensor {
  const { rows: tokens, columns } = matrixOf('dispatchRows', 'x', x);
  const k = choicesPerRow('dispatchRows', tokens, plan);
  const device = deviceOf('dispatchRows', x, plan.order);
  const out = new Tensor(device, [plan.count, columns]);
  device.kernels.gatherRows({
    table: x.buffer,
    height: tokens,
    indices: plan.order.buffer,
    divisor: k,
    weights: null,
    out: out.buffer,
    rows: plan.count,
    columns,
  });
  return record('dispatchRows', out, [x], [plan.inverse], (gradient, [inverse]) => [
    gatherSum(gradient, inverse!, tokens, k),
  ]);
}

/**
 * Brings experts' results back: `out[t] = sum_j weights[t, j] * x[place of choice (t, j)]`; x `[tokens * k, width]`
 * sorted by expert, weights `[tokens, k]`.
 */
export function combineRows(x: Tensor, weights: Tensor, plan: SegmentPlan): Tensor {
  const { rows: places, columns } = matrixOf('combineRows', 'x', x);
  const { rows: tokens, columns: k } = matrixOf('combineRows', 'weights', weights);
  if (places !== plan.count || tokens * k !== plan.keys.size) {
    throw new RangeError(
      `combineRows: x ${formatShape(x.shape)} and weights ${formatShape(weights.shape)} do not fit a plan of ` +
        `${plan.keys.size} choices in ${plan.count} places`,
    );
  }
  const device = deviceOf('combineRows', x, weights, plan.order);
  return record(
    'combineRows',
    gatherSum(x, plan.inverse, tokens, k, weights),
    [x, weights],
    [x, weights, plan.inverse, plan.order],
    (gradient, [savedX, savedWeights, inverse, order]) => {
      const gradX = new Tensor(device, x.shape);
      device.kernels.gatherRows({
        table: gradient.buffer,
        height: tokens,
        indices: order!.buffer,
        divisor: k,
        weights: savedWeights!.buffer,
        out: gradX.buffer,
        rows: places,
        columns,
      });
      const gradWeights = new Tensor(device, weights.shape);
      device.kernels.gatherDot({
        a: gradient.buffer,
        x: savedX!.buffer,
        height: places,
        positions: inverse!.buffer,
        out: gradWeights.buffer,
        rows: tokens,
        k,
        columns,
      });
      return [gradX, gradWeights];
    },
  );
}

/**
 * `out[s]` = sum of the rows of x `[rows, width]` that chose segment s; the plan sorts `[rows, k]` choices. Gives
 * `[segments, width]`.
 */
export function segmentSum(x: Tensor, plan: SegmentPlan): Tensor {
  const { rows, columns } = matrixOf('segmentSum', 'x', x);
  const k = choicesPerRow('segmentSum', rows, plan);
  const device = deviceOf('segmentSum', x, plan.order);
  const out = new Tensor(device, [plan.segments, columns]);
  device.kernels.segmentSum({
    x: x.buffer,
    height: rows,
    order: plan.order.buffer,
    offsets: plan.offsets.buffer,
    divisor: k,
    out: out.buffer,
    segments: plan.segments,
    columns,
  });
  return record('segmentSum', out, [x], [plan.keys], (gradient, [keys]) => [gatherSum(gradient, keys!, rows, k)]);
}

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

/** `out[..., j] = x[..., indices[..., j]]` along the last axis; the indices of a row are distinct. */
export function takeAlongRows(x: Tensor, indices: Tensor): Tensor {
  const { rows, columns } = rowsOf('takeAlongRows', x);
  const k = indicesPerRow('takeAlongRows', rows, columns, indices);
  const out = new Tensor(x.device, [...x.shape.slice(0, -1), k]);
  x.device.kernels.takeAlongRows({ x: x.buffer, indices: indices.buffer, out: out.buffer, rows, columns, k });
  return record('takeAlongRows', out, [x], [indices], (gradient, [savedIndices]) => [
    scatterAlongRows(gradient, savedIndices!, columns),
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
  const out = new Tensor(x.device, [...x.shape.slice(0, -1), columns]);
  x.device.kernels.scatterAlongRows({
    x: x.buffer,
    indices: indices.buffer,
    out: out.buffer,
    fill,
    rows,
    columns,
    k,
  });
  return record('scatterAlongRows', out, [x], [indices], (gradient, [savedIndices]) => [
    takeAlongRows(gradient, savedIndices!),
  ]);
}

function gatherSum(x: Tensor, positions: Tensor, rows: number, k: number, weights?: Tensor): Tensor {
  const [height = 0, columns = 0] = x.shape;
  const out = new Tensor(x.device, [rows, columns]);
  x.device.kernels.gatherSum({
    x: x.buffer,
    height,
    positions: positions.buffer,
    weights: weights?.buffer ?? null,
    out: out.buffer,
    rows,
    k,
    columns,
  });
  return out;
}

function matrixOf(op: string, name: string, x: Tensor): { rows: number; columns: number } {
  checkDType(op, name, x, 'f32');
  if (x.shape.length !== 2) throw new RangeError(`${op}: ${name} must be a matrix, got ${formatShape(x.shape)}`);
  return { rows: x.shape[0]!, columns: x.shape[1]! };
}

function choicesPerRow(op: string, rows: number, plan: SegmentPlan): number {
  const k = rows === 0 ? 1 : plan.keys.size / rows;
  if (!Number.isInteger(k)) {
    throw new RangeError(
      `${op}: a plan of ${plan.keys.size} choices is not a whole number of choices for each of ${rows} rows`,
    );
  }
  return k;
}

function indicesPerRow(op: string, rows: number, columns: number, indices: Tensor): number {
  checkIndices(op, 'indices', indices, columns, 'columns');
  if (indices.shape.length === 0 || sizeOf(indices.shape.slice(0, -1)) !== rows) {
    throw new RangeError(`${op}: indices ${formatShape(indices.shape)} do not have ${rows} rows`);
  }
  return indices.shape.at(-1)!;
}
