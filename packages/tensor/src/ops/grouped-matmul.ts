/** Matrix products of groups of rows, one matrix a group: experts. */
import { record } from '../autograd.ts';
import { zeros } from '../creation.ts';
import { formatShape } from '../shape.ts';
import { deviceOf, Tensor } from '../tensor.ts';
import type { SegmentPlan } from './segments.ts';

/** How rows that are sorted by group lie: of a `SegmentPlan`, what products of groups read. */
export type Groups = Pick<SegmentPlan, 'offsets' | 'count' | 'segments'>;

/**
 * `x weights[g]^T` for the rows of each group g: x `[rows, in]` sorted by group as the plan says, weights `[groups,
 * out, in]`; gives `[rows, out]`. A plan may have more segments than there are groups: their rows belong to no group,
 * and what they become is finite and means nothing.
 */
export function groupedLinear(x: Tensor, weights: Tensor, plan: Groups): Tensor {
  const device = deviceOf('groupedLinear', x, weights, plan.offsets);
  const [groups = 0, n = 0, k = 0] = weights.shape;
  const [rows = 0] = x.shape;
  if (
    weights.shape.length !== 3 ||
    x.shape.length !== 2 ||
    x.shape[1] !== k ||
    groups > plan.segments ||
    rows !== plan.count
  ) {
    throw new RangeError(
      `groupedLinear: x ${formatShape(x.shape)}, weights ${formatShape(weights.shape)}, plan of ${plan.count} rows in ${plan.segments} groups: ` +
        'expected x [rows, in], weights [groups, out, in]',
    );
  }
  const product = (input: Tensor, w: Tensor, offsets: Tensor, transposeWeights: boolean): Tensor => {
    const [columns, inner] = transposeWeights ? [n, k] : [k, n];
    // Kernels need not write rows beyond the last group, and what memory held before may be infinite or NaN.
    const result = plan.segments > groups ? zeros(device, [rows, columns]) : new Tensor(device, [rows, columns]);
    device.kernels.groupedMatmul({
      x: input.buffer,
      weights: w.buffer,
      offsets: offsets.buffer,
      out: result.buffer,
      groups: groups,
      rows: rows,
      n: columns,
      k: inner,
      transposeWeights,
    });
    return result;
  };
  const out = product(x, weights, plan.offsets, true);
  return record(
    'groupedLinear',
    out,
    [x, weights],
    [x, weights, plan.offsets],
    (gradient, [savedX, savedWeights, offsets], [needsX, needsWeights]) => {
      const gradX = needsX ? product(gradient, savedWeights!, offsets!, false) : null;
      let gradWeights: Tensor | null = null;
      if (needsWeights) {
        gradWeights = new Tensor(device, weights.shape);
        device.kernels.groupedMatmulTransposed({
          a: gradient.buffer,
          b: savedX!.buffer,
          offsets: offsets!.buffer,
          out: gradWeights.buffer,
          groups: groups,
          rows: rows,
          m: n,
          n: k,
        });
      }
      return [gradX, gradWeights];
    },
  );
}
