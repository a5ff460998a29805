/** Sorting into segments, and sums over the rows of each: what sends tokens to experts, and gradients to embeddings. */
import { record } from '../autograd.ts';
import { checkIndices, deviceOf, Tensor } from '../tensor.ts';
import { matrixOf } from './rows.ts';

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

/** How many choices a plan has for each of the rows. */
export function choicesPerRow(op: string, rows: number, plan: SegmentPlan): number {
  const k = rows === 0 ? 1 : plan.keys.size / rows;
  if (!Number.isInteger(k)) {
    throw new RangeError(
      `${op}: a plan of ${plan.keys.size} choices is not a whole number of choices for each of ${rows} rows`,
    );
  }
  return k;
}

/** The sums of the rows of x at `positions` `[rows, k]`, times `weights` if given; not recorded. */
export function gatherSum(x: Tensor, positions: Tensor, rows: number, k: number, weights?: Tensor): Tensor {
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
