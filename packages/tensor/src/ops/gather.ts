/**
 * Gathers of whole rows: embeddings, and what sends tokens to experts and back. Their gradients are sums over sorted
 * indices, so they need no atomic additions and always add in the same order.
 */
import { record } from '../autograd.ts';
import { formatShape } from '../shape.ts';
import { checkIndices, deviceOf, Tensor } from '../tensor.ts';
import { matrixOf } from './rows.ts';
import { choicesPerRow, gatherSum, type SegmentPlan, segmentPlan } from './segments.ts';

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
