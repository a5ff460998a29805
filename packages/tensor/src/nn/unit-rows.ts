/** Rows of length 1: what cosine measures, orthogonality and alignment are made of. */
import { full } from '../creation.ts';
import { rmsNorm } from '../ops/norm.ts';
import type { Tensor } from '../tensor.ts';

/** Added to squared norms: rows shorter than about 1e-6 shrink towards 0 instead of dividing by 0. */
const SMALLEST_SQUARED_NORM = 1e-12;

/**
 * Each row of x `[rows, width]` divided by its Euclidean norm, `x / sqrt(|x|^2 + 1e-12)`; a row of zeros stays zero and
 * its gradient stays finite. One kernel: an RMS normalisation whose weight is `1 / sqrt(width)`.
 */
export function unitRows(x: Tensor): Tensor {
  const width = x.shape.at(-1) ?? 1;
  return rmsNorm(x, full(x.device, [width], width ** -0.5), SMALLEST_SQUARED_NORM / width);
}
