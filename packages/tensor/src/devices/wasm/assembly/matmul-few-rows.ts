/**
 * The matrix product for few rows of A, as in generation: `C (+)= A B` with B read where it lies. Packing B costs more
 * than a product of so few rows. Every element is the same chain of multiply-adds in ascending order as in
 * matmul-gemm.ts, so both give the same bits.
 *
 * All strides are in bytes.
 */
import { clear } from './matmul-gemm';
import { loadPart, loadTail, madd, storePart, storeTail } from './simd';

/**
 * `c (+)= a op(b)`: a `[m, k]` with rows `aRow` apart, c `[m, n]` with rows `cRow` apart, b `[k, n]` or, to be
 * transposed, `[n, k]` with rows `bRow` apart.
 */
export function multiplyFewRows(
  m: i32,
  n: i32,
  k: i32,
  a: usize,
  aRow: i32,
  b: usize,
  bRow: i32,
  transposeB: bool,
  c: usize,
  cRow: i32,
  accumulate: bool,
): void {
  if (!accumulate) for (let i = 0; i < m; i++) clear(c + i * cRow, n << 2);
  if (transposeB) {
    // The rows of B that one turn reads stay in the cache for all rows of A.
    let j = 0;
    for (; j + 16 <= n; j += 16) {
      for (let i = 0; i < m; i++) sixteenColumns(k, a + i * aRow, b + j * bRow, bRow, c + i * cRow + (j << 2));
    }
    for (; j < n; j += 4) {
      for (let i = 0; i < m; i++) fourColumns(k, a + i * aRow, b + j * bRow, bRow, c + i * cRow + (j << 2), n - j);
    }
    return;
  }
  let p = 0;
  for (; p + 4 <= k; p += 4) {
    let i = 0;
    for (; i + 2 <= m; i += 2) fourStepsOfTwo(n, a + i * aRow + (p << 2), aRow, b + p * bRow, bRow, c + i * cRow, cRow);
    if (i < m) fourSteps(n, a + i * aRow + (p << 2), b + p * bRow, bRow, c + i * cRow);
  }
  for (; p < k; p++) {
    for (let i = 0; i < m; i++) oneStep(n, a + i * aRow + (p << 2), b + p * bRow, c + i * cRow);
  }
}

/** `c += a b` for four steps of the sum: c is read and written once for them. */
function fourSteps(n: i32, a: usize, b: usize, bRow: i32, c: usize): void {
  const x0 = v128.load_splat<f32>(a);
  const x1 = v128.load_splat<f32>(a, 4);
  const x2 = v128.load_splat<f32>(a, 8);
  const x3 = v128.load_splat<f32>(a, 12);
  const b1 = bRow;
  const b2 = 2 * bRow;
  const b3 = 3 * bRow;
  const end = b + ((<usize>n >> 2) << 4);
  // Two vectors at once, or the loop's own instructions are the most of it.
  for (; b + 32 <= end; b += 32) {
    const second = b + b1;
    const third = b + b2;
    const fourth = b + b3;
    let left = madd(x0, v128.load(b), v128.load(c));
    let right = madd(x0, v128.load(b, 16), v128.load(c, 16));
    left = madd(x1, v128.load(second), left);
    right = madd(x1, v128.load(second, 16), right);
    left = madd(x2, v128.load(third), left);
    right = madd(x2, v128.load(third, 16), right);
    v128.store(c, madd(x3, v128.load(fourth), left));
    v128.store(c, madd(x3, v128.load(fourth, 16), right), 16);
    c += 32;
  }
  while (b < end) {
    let sum = madd(x0, v128.load(b), v128.load(c));
    sum = madd(x1, v128.load(b + b1), sum);
    sum = madd(x2, v128.load(b + b2), sum);
    v128.store(c, madd(x3, v128.load(b + b3), sum));
    b += 16;
    c += 16;
  }
  const rest = n & 3;
  if (rest) {
    let sum = madd(x0, loadTail(b, rest, x0), loadTail(c, rest, x0));
    sum = madd(x1, loadTail(b + b1, rest, x0), sum);
    sum = madd(x2, loadTail(b + b2, rest, x0), sum);
    storeTail(c, madd(x3, loadTail(b + b3, rest, x0), sum), rest);
  }
}

/** The same for two rows of A: what is read of B serves both. */
function fourStepsOfTwo(n: i32, a: usize, aRow: i32, b: usize, bRow: i32, c: usize, cRow: i32): void {
  const next = a + aRow;
  const x0 = v128.load_splat<f32>(a);
  const x1 = v128.load_splat<f32>(a, 4);
  const x2 = v128.load_splat<f32>(a, 8);
  const x3 = v128.load_splat<f32>(a, 12);
  const y0 = v128.load_splat<f32>(next);
  const y1 = v128.load_splat<f32>(next, 4);
  const y2 = v128.load_splat<f32>(next, 8);
  const y3 = v128.load_splat<f32>(next, 12);
  const end = b + ((<usize>n >> 2) << 4);
  let d = c + cRow;
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b + bRow);
    const b2 = v128.load(b + 2 * bRow);
    const b3 = v128.load(b + 3 * bRow);
    v128.store(c, madd(x3, b3, madd(x2, b2, madd(x1, b1, madd(x0, b0, v128.load(c))))));
    v128.store(d, madd(y3, b3, madd(y2, b2, madd(y1, b1, madd(y0, b0, v128.load(d))))));
    b += 16;
    c += 16;
    d += 16;
  }
  const rest = n & 3;
  if (rest) {
    const b0 = loadTail(b, rest, x0);
    const b1 = loadTail(b + bRow, rest, x0);
    const b2 = loadTail(b + 2 * bRow, rest, x0);
    const b3 = loadTail(b + 3 * bRow, rest, x0);
    storeTail(c, madd(x3, b3, madd(x2, b2, madd(x1, b1, madd(x0, b0, loadTail(c, rest, x0))))), rest);
    storeTail(d, madd(y3, b3, madd(y2, b2, madd(y1, b1, madd(y0, b0, loadTail(d, rest, x0))))), rest);
  }
}

function oneStep(n: i32, a: usize, b: usize, c: usize): void {
  const x = v128.load_splat<f32>(a);
  const end = b + ((<usize>n >> 2) << 4);
  while (b < end) {
    v128.store(c, madd(x, v128.load(b), v128.load(c)));
    b += 16;
    c += 16;
  }
  const rest = n & 3;
  if (rest) storePart(c, madd(x, loadPart(b, rest), loadPart(c, rest)), rest);
}

/** `c += a b^T` for sixteen rows of b: four chains, so that a multiply-add need not wait for the one before. */
function sixteenColumns(k: i32, a: usize, b: usize, bRow: i32, c: usize): void {
  let c0 = v128.load(c);
  let c1 = v128.load(c, 16);
  let c2 = v128.load(c, 32);
  let c3 = v128.load(c, 48);
  const group = 4 * bRow;
  let p = 0;
  if (!(bRow & 2047)) {
    // Rows so far apart share the places of a few cache lines: whole lines, one group of rows after the other.
    for (; p + 16 <= k; p += 16) {
      c0 = sixteenSteps(a, b, bRow, c0);
      c1 = sixteenSteps(a, b + group, bRow, c1);
      c2 = sixteenSteps(a, b + 2 * group, bRow, c2);
      c3 = sixteenSteps(a, b + 3 * group, bRow, c3);
      a += 64;
      b += 64;
    }
  }
  // Otherwise by turns, so that no chain waits for its last multiply-add.
  for (; p + 4 <= k; p += 4) {
    c0 = fourRows(a, b, bRow, c0);
    c1 = fourRows(a, b + group, bRow, c1);
    c2 = fourRows(a, b + 2 * group, bRow, c2);
    c3 = fourRows(a, b + 3 * group, bRow, c3);
    a += 16;
    b += 16;
  }
  for (; p < k; p++) {
    const x = v128.load_splat<f32>(a);
    c0 = madd(x, column(b, bRow), c0);
    c1 = madd(x, column(b + group, bRow), c1);
    c2 = madd(x, column(b + 2 * group, bRow), c2);
    c3 = madd(x, column(b + 3 * group, bRow), c3);
    a += 4;
    b += 4;
  }
  v128.store(c, c0);
  v128.store(c, c1, 16);
  v128.store(c, c2, 32);
  v128.store(c, c3, 48);
}

/** `c += a b^T` for up to four rows of b; of those that do not exist, the last one stands in. */
function fourColumns(k: i32, a: usize, b: usize, bRow: i32, c: usize, columns: i32): void {
  const rest = columns < 4 ? columns : 0;
  const last = min(columns, 4) - 1;
  const one = min(1, last) * bRow;
  const two = min(2, last) * bRow;
  const three = min(3, last) * bRow;
  let sum = loadPart(c, rest);
  const end = a + ((<usize>k >> 2) << 4);
  while (a < end) {
    sum = turnedSteps(a, b, b + one, b + two, b + three, sum);
    a += 16;
    b += 16;
  }
  for (let p = k & ~3; p < k; p++) {
    sum = madd(v128.load_splat<f32>(a), gather(b, b + one, b + two, b + three), sum);
    a += 4;
    b += 4;
  }
  storePart(c, sum, rest);
}

/** Sixteen steps of the sums of four columns, whose numbers lie along rows. */
@inline
function sixteenSteps(a: usize, b: usize, bRow: i32, sum: v128): v128 {
  const b1 = b + bRow;
  const b2 = b1 + bRow;
  const b3 = b2 + bRow;
  sum = turnedSteps(a, b, b1, b2, b3, sum);
  sum = turnedSteps(a + 16, b + 16, b1 + 16, b2 + 16, b3 + 16, sum);
  sum = turnedSteps(a + 32, b + 32, b1 + 32, b2 + 32, b3 + 32, sum);
  return turnedSteps(a + 48, b + 48, b1 + 48, b2 + 48, b3 + 48, sum);
}

/** Four steps of the sums of four columns, whose numbers lie along rows. */
@inline
function fourRows(a: usize, b: usize, bRow: i32, sum: v128): v128 {
  const b1 = b + bRow;
  const b2 = b1 + bRow;
  return turnedSteps(a, b, b1, b2, b2 + bRow, sum);
}

/** Four steps of the sums of four columns, whose numbers lie along b0 to b3. */
@inline
function turnedSteps(a: usize, b0: usize, b1: usize, b2: usize, b3: usize, sum: v128): v128 {
  const x0 = v128.load(b0);
  const x1 = v128.load(b1);
  const x2 = v128.load(b2);
  const x3 = v128.load(b3);
  const low01 = v128.shuffle<i32>(x0, x1, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(x0, x1, 2, 6, 3, 7);
  const low23 = v128.shuffle<i32>(x2, x3, 0, 4, 1, 5);
  const high23 = v128.shuffle<i32>(x2, x3, 2, 6, 3, 7);
  sum = madd(v128.load_splat<f32>(a), v128.shuffle<i64>(low01, low23, 0, 2), sum);
  sum = madd(v128.load_splat<f32>(a, 4), v128.shuffle<i64>(low01, low23, 1, 3), sum);
  sum = madd(v128.load_splat<f32>(a, 8), v128.shuffle<i64>(high01, high23, 0, 2), sum);
  return madd(v128.load_splat<f32>(a, 12), v128.shuffle<i64>(high01, high23, 1, 3), sum);
}

/** The numbers at b and in the three rows after it. */
@inline
function column(b: usize, bRow: i32): v128 {
  return gather(b, b + bRow, b + 2 * bRow, b + 3 * bRow);
}

@inline
function gather(b0: usize, b1: usize, b2: usize, b3: usize): v128 {
  const x = v128.load_lane<f32>(b1, v128.load_splat<f32>(b0), 1);
  return v128.load_lane<f32>(b3, v128.load_lane<f32>(b2, x, 2), 3);
}
