/** The diversity measures of table 6: how far the rows of a matrix are from pointing all in different directions. Smaller is more diverse; a single row scores 0. */
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
import { withoutGradients } from '../../graph.ts';
import { squaredDistances } from './measures.ts';

export interface OrthogonalityOptions {
  /** Whether every row has length 1. */
  readonly unit: boolean;
  /** Add the N^2 entries up, or average them. */
  readonly reduce: 'sum' | 'mean';
}

/**
 * `|| A A^T - I ||_F^2` for rows A `[N, D]` (equation 14). The N x N matrix is never made: the sum is exactly
 * `|| A^T A ||_F^2 - 2 || A ||_F^2 + N`, in O(N D^2), and `|| A ||_F^2` is N where rows have length 1.
 */
export function orthogonality(rows: Tensor, { unit, reduce }: OrthogonalityOptions): Tensor {
  const [count = 0] = rows.shape;
  const scale = reduce === 'mean' ? 1 / count ** 2 : 1;
  const squaredGram = sum(square(matmul(rows, rows, { transposeA: true })));
  if (unit) return affine(squaredGram, scale, -count * scale);
  return affine(subtract(squaredGram, affine(sum(square(rows)), 2)), scale, count * scale);
}

/** Mean cosine of different rows, in O(N D): `(|sum_i n_i|^2 - N) / (N (N - 1))`. unitRows `[N, D]`. */
export function meanCosine(unitRows: Tensor): Tensor {
  const [count = 0] = unitRows.shape;
  if (count < 2) return zeros(unitRows.device, []);
  const pairs = count * (count - 1);
  return affine(sum(square(sum(unitRows, 0))), 1 / pairs, -count / pairs);
}

/** Rows whose distances to all others are held at once. */
const ROWS_AT_ONCE = 256;
/** Equal rows count as this far apart where a distance is divided by. */
const SMALLEST_DISTANCE = 1e-6;

/**
 * Minus the mean Euclidean distance of different rows of x `[N, D]`. Distances do not factor, so this takes O(N^2 D) time; memory is O(N), since value and gradient,
 * `-2 sum_j (x_i - x_j) / |x_i - x_j|` over the number of pairs, are computed together, some rows at a time.
 */
export function negativeMeanDistance(x: Tensor): Tensor {
  const { device } = x;
  const [count = 0] = x.shape;
  if (count < 2) return zeros(device, []);
  const { value, gradient } = withoutGradients(device, () => {
    let total = zeros(device, []);
    const gradients: Tensor[] = [];
    for (let first = 0; first < count; first += ROWS_AT_ONCE) {
      const some = slice(x, 0, first, Math.min(count, first + ROWS_AT_ONCE));
      const [rows = 0] = some.shape;
      const own = tensor(
        device,
        Int32Array.from({ length: rows }, (_, i) => first + i),
        [rows, 1],
      );
      const different = affine(scatterAlongRows(ones(device, [rows, 1]), own, count), -1, 1);
      const distances = multiply(sqrt(squaredDistances(some, x)), different);
      const inverse = divide(different, maximum(distances, SMALLEST_DISTANCE));
      total = add(total, sum(distances));
      gradients.push(subtract(multiply(some, sum(inverse, 1, { keepAxis: true })), matmul(inverse, x)));
    }
    const scale = -1 / (count * (count - 1));
    return { value: affine(total, scale), gradient: affine(concatenate(gradients, 0), 2 * scale) };
  });
  // Linear in x with the right gradient, moved to the right value.
  const linear = sum(multiply(x, gradient));
  return add(
    linear,
    withoutGradients(device, () => subtract(value, linear)),
  );
}
