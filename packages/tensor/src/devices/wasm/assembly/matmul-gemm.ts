/**
 * The matrix product at the bottom of matmul, grouped matmul and attention: `C (+)= A B` on a block that fits the
 * caches.
 *
 * B is packed into panels of 8 columns, `[panel][k][8]`, zero-padded on the right, so that the innermost loop reads it
 * front to back. A is read where it lies, row by row (`transpose` turns it when it is stored the other way). A tile of
 * C is held in registers while the sum runs; every element is one chain of multiply-adds in ascending order, wherever
 * in the block it lies, so tiling does not change results.
 *
 * All strides are in bytes.
 */
import { madd } from './simd';

/**
 * Rows of C that the innermost loop makes at once. Six by eight needs all 15 registers: 12 sums, 2 of B, 1 of A.
 * Without a fused multiply-add the product takes one more.
 */
export const STRIP: i32 = ASC_FEATURE_RELAXED_SIMD ? 6 : 5;
/** Columns of C that the innermost loop makes at once: the width of a panel of B. */
export const PANEL: i32 = 8;
/** Bytes of one step of a panel: a panel of a `[k, n]` matrix takes `k` times as many. */
export const PANEL_BYTES: i32 = 32;
/** Bytes that `multiply` needs for a tile of C cut by an edge and a row of zeros. */
export const EDGE_BYTES: i32 = 256;

/**
 * Zeros over a whole number of floats; V8 calls out of the module for memory.fill, which costs more than a short loop.
 */
export function clear(at: usize, bytes: i32): void {
  const end = at + bytes;
  for (; at + 16 <= end; at += 16) v128.store(at, f32x4.splat(0));
  for (; at < end; at += 4) store<f32>(at, 0);
}

/** Bytes of the packed form of a `[k, n]` matrix. */
export function packedBytes(k: i32, n: i32): i32 {
  return ((n + 7) >> 3) * k * PANEL_BYTES;
}

/**
 * Packs b `[k, n]`, whose rows are `stride` apart, into panels `panel` apart. Two rows at a time: reading goes straight
 * ahead, and whole cache lines are written.
 */
export function packRows(b: usize, stride: i32, k: i32, n: i32, packed: usize, panel: i32): void {
  const whole = n & ~7;
  let row = b;
  let start = packed;
  let p = 0;
  for (; p + 2 <= k; p += 2) {
    const next = row + stride;
    let to = start;
    for (let x = 0; x < whole << 2; x += PANEL_BYTES) {
      v128.store(to, v128.load(row + x));
      v128.store(to, v128.load(row + x, 16), 16);
      v128.store(to, v128.load(next + x), 32);
      v128.store(to, v128.load(next + x, 16), 48);
      to += panel;
    }
    if (whole < n) {
      padRow(row + (whole << 2), n - whole, to);
      padRow(next + (whole << 2), n - whole, to + PANEL_BYTES);
    }
    row = next + stride;
    start += 2 * PANEL_BYTES;
  }
  if (p < k) {
    let to = start;
    for (let x = 0; x < whole << 2; x += PANEL_BYTES) {
      v128.store(to, v128.load(row + x));
      v128.store(to, v128.load(row + x, 16), 16);
      to += panel;
    }
    if (whole < n) padRow(row + (whole << 2), n - whole, to);
  }
}

/** A row of the last panel, of fewer than 8 columns. */
function padRow(from: usize, columns: i32, to: usize): void {
  clear(to, PANEL_BYTES);
  for (let x = 0; x < columns << 2; x += 4) store<f32>(to + x, load<f32>(from + x));
}

/** Packs the transpose of b `[n, k]`, whose rows are `stride` apart, into panels `panel` apart. */
export function packColumns(b: usize, stride: i32, k: i32, n: i32, packed: usize, panel: i32): void {
  let to = packed;
  for (let j = 0; j < n; j += PANEL) {
    const columns = min(PANEL, n - j);
    if (columns < PANEL) clear(to, k * PANEL_BYTES);
    transpose(b + j * stride, stride, columns, k, to, PANEL_BYTES);
    to += panel;
  }
}

/** `to[j, i] = x[i, j]` for x `[rows, columns]`. */
export function transpose(x: usize, xStride: i32, rows: i32, columns: i32, to: usize, toStride: i32): void {
  const wholeColumns = columns & ~3;
  let i = 0;
  for (; i + 4 <= rows; i += 4) {
    let from = x + i * xStride;
    let at = to + (i << 2);
    for (let j = 0; j < wholeColumns; j += 4) {
      const x0 = v128.load(from);
      const x1 = v128.load(from + xStride);
      const x2 = v128.load(from + 2 * xStride);
      const x3 = v128.load(from + 3 * xStride);
      const low01 = v128.shuffle<i32>(x0, x1, 0, 4, 1, 5);
      const high01 = v128.shuffle<i32>(x0, x1, 2, 6, 3, 7);
      const low23 = v128.shuffle<i32>(x2, x3, 0, 4, 1, 5);
      const high23 = v128.shuffle<i32>(x2, x3, 2, 6, 3, 7);
      v128.store(at, v128.shuffle<i64>(low01, low23, 0, 2));
      v128.store(at + toStride, v128.shuffle<i64>(low01, low23, 1, 3));
      v128.store(at + 2 * toStride, v128.shuffle<i64>(high01, high23, 0, 2));
      v128.store(at + 3 * toStride, v128.shuffle<i64>(high01, high23, 1, 3));
      from += 16;
      at += 4 * toStride;
    }
    transposeScalars(x, xStride, i, i + 4, wholeColumns, columns, to, toStride);
  }
  transposeScalars(x, xStride, i, rows, 0, columns, to, toStride);
}

/** The part of `transpose` from row `i` and column `j` on, to row `rows` and column `columns`. */
function transposeScalars(
  x: usize,
  xStride: i32,
  i: i32,
  rows: i32,
  firstColumn: i32,
  columns: i32,
  to: usize,
  toStride: i32,
): void {
  for (; i < rows; i++) {
    for (let j = firstColumn; j < columns; j++) {
      store<f32>(to + j * toStride + (i << 2), load<f32>(x + i * xStride + (j << 2)));
    }
  }
}

/**
 * `c (+)= a b`: a `[m, k]` with rows `aRow` apart, b packed with panels `bPanel` apart, c `[m, n]` with
 * rows `cRow` apart. `edge` is EDGE_BYTES of scratch.
 */
export function multiply(
  m: i32,
  n: i32,
  k: i32,
  a: usize,
  aRow: i32,
  b: usize,
  bPanel: i32,
  c: usize,
  cRow: i32,
  accumulate: bool,
  edge: usize,
): void {
  const zeros = edge + STRIP * PANEL_BYTES;
  clear(zeros, PANEL_BYTES);
  for (let i = 0; i < m; i += STRIP) {
    const rows = min(STRIP, m - i);
    const strip = a + i * aRow;
    let panel = b;
    for (let j = 0; j < n; j += PANEL) {
      const columns = min(PANEL, n - j);
      const to = c + i * cRow + (j << 2);
      if (rows == STRIP && columns == PANEL) {
        kernel(k, strip, aRow, 4, STRIP, panel, PANEL_BYTES, accumulate ? to : zeros, accumulate ? cRow : 0, to, cRow);
      } else {
        if (accumulate) copyBlock(to, cRow, edge, PANEL_BYTES, rows, columns);
        const from = accumulate ? edge : zeros;
        const fromRow = accumulate ? PANEL_BYTES : 0;
        if (rows <= 4) kernelOfFour(k, strip, aRow, rows, panel, from, fromRow, edge);
        else kernel(k, strip, aRow, 4, rows, panel, PANEL_BYTES, from, fromRow, edge, PANEL_BYTES);
        copyBlock(edge, PANEL_BYTES, to, cRow, rows, columns);
      }
      panel += bPanel;
    }
  }
}

function copyBlock(from: usize, fromRow: i32, to: usize, toRow: i32, rows: i32, columns: i32): void {
  for (let r = 0; r < rows; r++) {
    for (let x = 0; x < columns << 2; x += 4) store<f32>(to + x, load<f32>(from + x));
    from += fromRow;
    to += toRow;
  }
}

/**
 * One tile of C: `to = from + a b`. Rows of A are `aRow` apart and steps of the sum `aStep`; in B, steps are `bStep`
 * apart. Rows of A from `rows` on do not exist: the last one stands in for them.
 *
 * Nothing may branch after the loop: V8 then moves the multiply-adds behind all loads of a step, runs out of its 15
 * registers and keeps sums on the stack, which halves the speed (docs/wasm-limits.md). Hence `from` instead of a flag.
 */
export function kernel(
  k: i32,
  a: usize,
  aRow: i32,
  aStep: i32,
  rows: i32,
  b: usize,
  bStep: i32,
  from: usize,
  fromRow: i32,
  to: usize,
  toRow: i32,
): void {
  let a0 = a;
  let a1 = a + min(1, rows - 1) * aRow;
  let a2 = a + min(2, rows - 1) * aRow;
  let a3 = a + min(3, rows - 1) * aRow;
  let a4 = a + min(4, rows - 1) * aRow;
  let a5 = a + min(5, rows - 1) * aRow;
  let c00 = v128.load(from);
  let c01 = v128.load(from, 16);
  let c10 = v128.load(from + fromRow);
  let c11 = v128.load(from + fromRow, 16);
  let c20 = v128.load(from + 2 * fromRow);
  let c21 = v128.load(from + 2 * fromRow, 16);
  let c30 = v128.load(from + 3 * fromRow);
  let c31 = v128.load(from + 3 * fromRow, 16);
  let c40 = v128.load(from + 4 * fromRow);
  let c41 = v128.load(from + 4 * fromRow, 16);
  let c50 = v128.load(from + 5 * fromRow);
  let c51 = v128.load(from + 5 * fromRow, 16);
  const end = b + k * bStep;
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load_splat<f32>(a0);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    x = v128.load_splat<f32>(a1);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    x = v128.load_splat<f32>(a2);
    c20 = madd(x, b0, c20);
    c21 = madd(x, b1, c21);
    x = v128.load_splat<f32>(a3);
    c30 = madd(x, b0, c30);
    c31 = madd(x, b1, c31);
    x = v128.load_splat<f32>(a4);
    c40 = madd(x, b0, c40);
    c41 = madd(x, b1, c41);
    if (STRIP > 5) {
      x = v128.load_splat<f32>(a5);
      c50 = madd(x, b0, c50);
      c51 = madd(x, b1, c51);
      a5 += aStep;
    }
    a0 += aStep;
    a1 += aStep;
    a2 += aStep;
    a3 += aStep;
    a4 += aStep;
    b += bStep;
  }
  v128.store(to, c00);
  v128.store(to, c01, 16);
  v128.store(to + toRow, c10);
  v128.store(to + toRow, c11, 16);
  v128.store(to + 2 * toRow, c20);
  v128.store(to + 2 * toRow, c21, 16);
  v128.store(to + 3 * toRow, c30);
  v128.store(to + 3 * toRow, c31, 16);
  v128.store(to + 4 * toRow, c40);
  v128.store(to + 4 * toRow, c41, 16);
  if (STRIP > 5) {
    v128.store(to + 5 * toRow, c50);
    v128.store(to + 5 * toRow, c51, 16);
  }
}

/** The same with four rows, into `edge`: what is left of few rows is not worth a whole strip. */
function kernelOfFour(
  k: i32,
  a: usize,
  aRow: i32,
  rows: i32,
  b: usize,
  from: usize,
  fromRow: i32,
  edge: usize,
): void {
  let a0 = a;
  let a1 = a + min(1, rows - 1) * aRow;
  let a2 = a + min(2, rows - 1) * aRow;
  let a3 = a + min(3, rows - 1) * aRow;
  let c00 = v128.load(from);
  let c01 = v128.load(from, 16);
  let c10 = v128.load(from + fromRow);
  let c11 = v128.load(from + fromRow, 16);
  let c20 = v128.load(from + 2 * fromRow);
  let c21 = v128.load(from + 2 * fromRow, 16);
  let c30 = v128.load(from + 3 * fromRow);
  let c31 = v128.load(from + 3 * fromRow, 16);
  const end = b + k * PANEL_BYTES;
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load_splat<f32>(a0);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    x = v128.load_splat<f32>(a1);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    x = v128.load_splat<f32>(a2);
    c20 = madd(x, b0, c20);
    c21 = madd(x, b1, c21);
    x = v128.load_splat<f32>(a3);
    c30 = madd(x, b0, c30);
    c31 = madd(x, b1, c31);
    a0 += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
    b += PANEL_BYTES;
  }
  v128.store(edge, c00);
  v128.store(edge, c01, 16);
  v128.store(edge, c10, 32);
  v128.store(edge, c11, 48);
  v128.store(edge, c20, 64);
  v128.store(edge, c21, 80);
  v128.store(edge, c30, 96);
  v128.store(edge, c31, 112);
}
