/**
 * The diversity measures of table 6: how far the rows of a matrix are from pointing all in different directions.
 * Smaller is more diverse; a single row scores 0.
 */
import {
  add,
  affine,
  concatenate,
  divide,
  matmul,
  maximum,
  multiply,
  ones,
  scatterAlongRows,
  slice,
  sqrt,
  square,
  subtract,
  sum,
  tensor,
  type Tensor,
  zeros,
} from '@lpr/tensor';
import { withoutGradients } from '@lpr/tensor/nn';
import { squaredDistances } from './measures.ts';

export interface OrthogonalityOptions {
  /** Whether every row has length 1. */
  readonly unit: boolean;
  /** Add the N^2 entries up, or average them. */
  readonly reduce: 'sum' | 'mean';
}

/**
 * What rows are a part of: how many there are in all, and their Gram matrix `A^T A` `[D, D]` or their sum `[D]`,
 * without gradients.
 */
export interface WholeRows {
  readonly count: number;
  readonly total: Tensor;
}

/** `A^T A` `[D, D]` of rows A `[N, D]`. */
export function gramOf(rows: Tensor): Tensor {
  return matmul(rows, rows, { transposeA: true });
}

/**
 * `|| A A^T - I ||_F^2` for rows A `[N, D]` (equation 14). The N x N matrix is never made: the sum is exactly
 * `|| A^T A ||_F^2 - 2 || A ||_F^2 + N`, in O(N D^2), and `|| A ||_F^2` is N where rows have length 1.
 *
 * Of a part of the rows this is an estimate of the whole sum; the mean over parts, weighted by rows, is exact, and so
 * is its gradient.
 */
export function orthogonality(rows: Tensor, { unit, reduce }: OrthogonalityOptions, whole?: WholeRows): Tensor {
  const [own = 0] = rows.shape;
  const count = whole?.count ?? own;
  const scale = reduce === 'mean' ? 1 / count ** 2 : 1;
  const squaredGram = squaredNorm(gramOf(rows), count / own, whole?.total);
  if (unit) return affine(squaredGram, scale, -count * scale);
  return affine(subtract(squaredGram, affine(sum(square(rows)), (2 * count) / own)), scale, count * scale);
}

/**
 * Mean cosine of different rows, in O(N D): `(|sum_i n_i|^2 - N) / (N (N - 1))`. unitRows `[N, D]`; of a part as
 * `orthogonality`.
 */
export function meanCosine(unitRows: Tensor, whole?: WholeRows): Tensor {
  const [own = 0] = unitRows.shape;
  const count = whole?.count ?? own;
  if (count < 2) return zeros(unitRows.device, []);
  const pairs = count * (count - 1);
  return affine(squaredNorm(sum(unitRows, 0), count / own, whole?.total), 1 / pairs, -count / pairs);
}

/**
 * `|own|^2`; where own is added up with others to `whole`, the estimate `scale <own, whole>` of `|whole|^2`, with the
 * gradient of that.
 */
function squaredNorm(own: Tensor, scale: number, whole: Tensor | undefined): Tensor {
  if (whole === undefined) return sum(square(own));
  const product = affine(sum(multiply(own, whole)), scale);
  return add(
    affine(product, 2),
    withoutGradients(own.device, () => affine(product, -1)),
  );
}

/** Rows whose distances to all others are held at once. */
const ROWS_AT_ONCE = 256;
/** Equal rows count as this far apart where a distance is divided by. */
const SMALLEST_DISTANCE = 1e-6;

/**
 * Minus the mean Euclidean distance of different rows of x `[N, D]`. Distances do not factor, so this takes O(N^2 D)
 * time; memory is O(N), since value and gradient, `-2 sum_j (x_i - x_j) / |x_i - x_j|` over the number of pairs, are
 * computed together, some rows at a time. Of a part as `orthogonality`: `whole` are all rows, x those from `first` on.
 */
export function negativeMeanDistance(
  x: Tensor,
  { rows: all, first: start }: { readonly rows: Tensor; readonly first: number } = { rows: x, first: 0 },
): Tensor {
  const { device } = x;
  const [own = 0] = x.shape;
  const [count = 0] = all.shape;
  if (count < 2) return zeros(device, []);
  const { value, gradient } = withoutGradients(device, () => {
    let total = zeros(device, []);
    const gradients: Tensor[] = [];
    for (let first = 0; first < own; first += ROWS_AT_ONCE) {
      const some = slice(x, 0, first, Math.min(own, first + ROWS_AT_ONCE));
      const [rows = 0] = some.shape;
      const self = tensor(
        device,
        Int32Array.from({ length: rows }, (_, i) => start + first + i),
        [rows, 1],
      );
      const different = affine(scatterAlongRows(ones(device, [rows, 1]), self, count), -1, 1);
      const distances = multiply(sqrt(squaredDistances(some, all)), different);
      const inverse = divide(different, maximum(distances, SMALLEST_DISTANCE));
      total = add(total, sum(distances));
      gradients.push(subtract(multiply(some, sum(inverse, 1, { keepAxis: true })), matmul(inverse, all)));
    }
    const scale = -1 / (own * (count - 1));
    return { value: affine(total, scale), gradient: affine(concatenate(gradients, 0), 2 * scale) };
  });
  // Linear in x with the right gradient, moved to the right value.
  const linear = sum(multiply(x, gradient));
  return add(
    linear,
    withoutGradients(device, () => subtract(value, linear)),
  );
}
