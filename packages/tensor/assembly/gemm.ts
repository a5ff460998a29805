/**
 * The matrix product at the bottom of matmul, grouped matmul and attention: `C (+)= A B` on a block that fits the caches.
 *
 * B is packed into panels of 8 columns, `[panel][k][8]`, zero-padded on the right, so that the innermost loop reads it
 * front to back. A is read where it lies, row by row (`transpose` turns it when it is stored the other way). Six rows by
 * eight columns of C are held in 12 vector registers while the sum runs; every element is one chain of multiply-adds in
 * ascending order, whichever edge of the block it lies on, so tiling does not change results.
 *
 * All strides are in bytes.
 */
import { madd } from './simd';

/** Rows of C that the innermost loop makes at once. */
export const STRIP: i32 = 6;
/** Columns of C that the innermost loop makes at once: the width of a panel of B. */
export const PANEL: i32 = 8;
/** Bytes of one step of a panel: a panel of a `[k, n]` matrix takes `k` times as many. */
export const PANEL_BYTES: i32 = 32;
/** Bytes that `multiply` needs for tiles of C cut by an edge. */
export const EDGE_BYTES: i32 = STRIP * PANEL_BYTES;

/** Bytes of the packed form of a `[k, n]` matrix. */
export function packedBytes(k: i32, n: i32): i32 {
  return ((n + 7) >> 3) * k * PANEL_BYTES;
}

/** Packs b `[k, n]`, whose rows are `stride` apart. */
export function packRows(b: usize, stride: i32, k: i32, n: i32, packed: usize): void {
  let to = packed;
  for (let j = 0; j < n; j += PANEL) {
    const columns = min(PANEL, n - j);
    let row = b + (j << 2);
    for (let p = 0; p < k; p++) {
      if (columns == PANEL) {
        v128.store(to, v128.load(row));
        v128.store(to, v128.load(row, 16), 16);
      } else {
        v128.store(to, f32x4.splat(0));
        v128.store(to, f32x4.splat(0), 16);
        for (let x = 0; x < columns << 2; x += 4) store<f32>(to + x, load<f32>(row + x));
      }
      row += stride;
      to += PANEL_BYTES;
    }
  }
}

/** Packs the transpose of b `[n, k]`, whose rows are `stride` apart. */
export function packColumns(b: usize, stride: i32, k: i32, n: i32, packed: usize): void {
  let to = packed;
  for (let j = 0; j < n; j += PANEL) {
    const columns = min(PANEL, n - j);
    if (columns < PANEL) memory.fill(to, 0, k * PANEL_BYTES);
    transpose(b + j * stride, stride, columns, k, to, PANEL_BYTES);
    to += k * PANEL_BYTES;
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
  for (let i = 0; i < m; i += STRIP) {
    const rows = min(STRIP, m - i);
    const strip = a + i * aRow;
    let panel = b;
    for (let j = 0; j < n; j += PANEL) {
      const columns = min(PANEL, n - j);
      const to = c + i * cRow + (j << 2);
      if (rows == STRIP && columns == PANEL) {
        kernel(k, strip, aRow, STRIP, panel, to, cRow, accumulate);
      } else {
        kernel(k, strip, aRow, rows, panel, edge, PANEL_BYTES, false);
        for (let r = 0; r < rows; r++) {
          const from = edge + r * PANEL_BYTES;
          const at = to + r * cRow;
          for (let x = 0; x < columns << 2; x += 4) {
            const value = load<f32>(from + x);
            store<f32>(at + x, accumulate ? load<f32>(at + x) + value : value);
          }
        }
      }
      panel += bPanel;
    }
  }
}

/** One tile of C, 6 by 8. Rows of A from `rows` on do not exist: the last one stands in for them. */
function kernel(k: i32, a: usize, aRow: i32, rows: i32, b: usize, c: usize, cRow: i32, accumulate: bool): void {
  let a0 = a;
  let a1 = a + min(1, rows - 1) * aRow;
  let a2 = a + min(2, rows - 1) * aRow;
  let a3 = a + min(3, rows - 1) * aRow;
  let a4 = a + min(4, rows - 1) * aRow;
  let a5 = a + min(5, rows - 1) * aRow;
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  let c40 = f32x4.splat(0);
  let c41 = f32x4.splat(0);
  let c50 = f32x4.splat(0);
  let c51 = f32x4.splat(0);
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
    x = v128.load_splat<f32>(a4);
    c40 = madd(x, b0, c40);
    c41 = madd(x, b1, c41);
    x = v128.load_splat<f32>(a5);
    c50 = madd(x, b0, c50);
    c51 = madd(x, b1, c51);
    a0 += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
    a4 += 4;
    a5 += 4;
    b += PANEL_BYTES;
  }
  put(c, accumulate, c00, c01);
  put(c + cRow, accumulate, c10, c11);
  put(c + 2 * cRow, accumulate, c20, c21);
  put(c + 3 * cRow, accumulate, c30, c31);
  put(c + 4 * cRow, accumulate, c40, c41);
  put(c + 5 * cRow, accumulate, c50, c51);
}

function put(c: usize, accumulate: bool, left: v128, right: v128): void {
  if (accumulate) {
    left = f32x4.add(v128.load(c), left);
    right = f32x4.add(v128.load(c, 16), right);
  }
  v128.store(c, left);
  v128.store(c, right, 16);
}
