/** Matrices as plain arrays, and the eigenvalues of symmetric ones. */
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

/**
 * Eigenvalues of a symmetric matrix `[n, n]`, the largest first, by cyclic Jacobi rotations (Golub and Van Loan, Matrix Computations, section 8.5): each turns one pair of axes
 * so that their entry off the diagonal becomes 0. Exact to rounding; O(n^3) a sweep.
 */
export function symmetricEigenvalues(matrix: Matrix): Float64Array {
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
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let rest = 0;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rest = Math.max(rest, Math.abs(a[p * n + q]!));
    if (rest <= 1e-15 * scale) break;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rotate(a, n, p, q);
  }
  return Float64Array.from({ length: n }, (_, i) => a[i * n + i]!).sort((x, y) => y - x);
}

/** Turns axes p and q so that `a[p][q]` becomes 0. */
function rotate(a: Float64Array, n: number, p: number, q: number): void {
  const off = a[p * n + q]!;
  if (off === 0) return;
  const slope = (a[q * n + q]! - a[p * n + p]!) / (2 * off);
  const tangent = (slope >= 0 ? 1 : -1) / (Math.abs(slope) + Math.hypot(slope, 1));
  const cosine = 1 / Math.hypot(tangent, 1);
  const sine = tangent * cosine;
  const turn = (at: number, bt: number): void => {
    const [x, y] = [a[at]!, a[bt]!];
    a[at] = cosine * x - sine * y;
    a[bt] = sine * x + cosine * y;
  };
  for (let i = 0; i < n; i++) turn(i * n + p, i * n + q);
  for (let i = 0; i < n; i++) turn(p * n + i, q * n + i);
}
