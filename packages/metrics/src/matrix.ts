/** Matrices as plain arrays, and the eigenvalues and eigenvectors of symmetric ones. */
import { checkPositiveInteger } from './checks.ts';

/** `[rows, columns]` in row-major order. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: ArrayLike<number>;
}

/** Throws a RangeError unless the values are as many as the extents say, at least one, and finite. */
export function checkMatrix(name: string, { rows, columns, values }: Matrix): void {
  checkPositiveInteger(`${name}.rows`, rows);
  checkPositiveInteger(`${name}.columns`, columns);
  if (values.length !== rows * columns) {
    throw new RangeError(`${name} has ${values.length} values; [${rows}, ${columns}] needs ${rows * columns}`);
  }
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new RangeError(`${name}[${Math.floor(i / columns)}][${i % columns}] is ${values[i]}; it must be finite`);
    }
  }
}

/** Sweeps of rotations; each about squares what is left off the diagonal, so a few do. */
const SWEEPS = 60;

/** What `symmetricEigen` finds. */
export interface SymmetricEigen {
  /** `[n]`, the largest first. */
  readonly values: Float64Array;
  /** `[n][n]`: the unit vector of each value. Its sign is that which makes its largest entry positive. */
  readonly vectors: Float64Array[];
}

/**
 * Eigenvalues and eigenvectors of a symmetric matrix `[n, n]`, by cyclic Jacobi rotations (Golub and Van Loan, Matrix
 * Computations, section 8.5): each turns one pair of axes so that their entry off the diagonal becomes 0. Exact to
 * rounding; O(n^3) a sweep.
 */
export function symmetricEigen(matrix: Matrix): SymmetricEigen {
  checkMatrix('matrix', matrix);
  const { rows: n } = matrix;
  const a = Float64Array.from(matrix.values);
  const scale = a.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  for (let i = 0; i < n * matrix.columns; i++) {
    const mirrored = a[(i % n) * n + Math.floor(i / n)];
    if (matrix.columns !== n || Math.abs(a[i]! - mirrored!) > 1e-9 * scale) {
      throw new RangeError('matrix must be symmetric: as many rows as columns, and equal values across the diagonal');
    }
  }
  const axes = new Float64Array(n * n);
  for (let i = 0; i < n; i++) axes[i * n + i] = 1;
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let rest = 0;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rest = Math.max(rest, Math.abs(a[p * n + q]!));
    if (rest <= 1e-15 * scale) break;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rotate(a, axes, n, p, q);
  }
  const order = Array.from({ length: n }, (_, i) => i).toSorted((i, j) => a[j * n + j]! - a[i * n + i]!);
  return {
    values: Float64Array.from(order, (i) => a[i * n + i]!),
    vectors: order.map((i) => {
      const vector = Float64Array.from({ length: n }, (_, row) => axes[row * n + i]!);
      const largest = vector.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
      return largest < 0 ? vector.map((value) => -value) : vector;
    }),
  };
}

/** Mean of the rows `[columns]`, and their covariance `[columns, columns]`, divided by the number of rows. */
export function covarianceOf({ rows, columns: width, values }: Matrix): { mean: Float64Array; covariance: Matrix } {
  const mean = new Float64Array(width);
  for (let i = 0; i < rows * width; i++) mean[i % width]! += values[i]! / rows;
  const covariance = new Float64Array(width * width);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < width; i++) {
      const x = (values[row * width + i]! - mean[i]!) / rows;
      for (let j = 0; j < width; j++) covariance[i * width + j]! += x * (values[row * width + j]! - mean[j]!);
    }
  }
  for (let i = 0; i < width; i++) for (let j = 0; j < i; j++) covariance[i * width + j] = covariance[j * width + i]!;
  return { mean, covariance: { rows: width, columns: width, values: covariance } };
}

/** Turns axes p and q so that `a[p][q]` becomes 0; `axes` has the axes as columns. */
function rotate(a: Float64Array, axes: Float64Array, n: number, p: number, q: number): void {
  const off = a[p * n + q]!;
  if (off === 0) return;
  const slope = (a[q * n + q]! - a[p * n + p]!) / (2 * off);
  const tangent = (slope >= 0 ? 1 : -1) / (Math.abs(slope) + Math.hypot(slope, 1));
  const cosine = 1 / Math.hypot(tangent, 1);
  const sine = tangent * cosine;
  const turn = (of: Float64Array, at: number, bt: number): void => {
    const [x, y] = [of[at]!, of[bt]!];
    of[at] = cosine * x - sine * y;
    of[bt] = sine * x + cosine * y;
  };
  for (let i = 0; i < n; i++) turn(a, i * n + p, i * n + q);
  for (let i = 0; i < n; i++) turn(a, p * n + i, q * n + i);
  for (let i = 0; i < n; i++) turn(axes, i * n + p, i * n + q);
}
