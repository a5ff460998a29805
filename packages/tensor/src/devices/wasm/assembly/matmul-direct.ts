/**
 * The matrix product with both operands read where they lie, for short sums such as the weight gradients of experts
 * with few tokens; and fetching what a product is about to touch.
 *
 * All strides are in bytes.
 */
import { clear, kernel, PANEL, PANEL_BYTES, STRIP } from './matmul-gemm';

/**
 * `c = a^T b` for a `[k, m]` and b `[k, n]` whose rows are `aRow` and `bRow` apart, with at least STRIP columns in a
 * and PANEL in b. A last strip or panel that would not be whole begins earlier and makes some elements twice. `zeros`
 * is PANEL_BYTES of scratch.
 */
export function multiplyColumns(
  m: i32,
  n: i32,
  k: i32,
  a: usize,
  aRow: i32,
  b: usize,
  bRow: i32,
  c: usize,
  cRow: i32,
  zeros: usize,
): void {
  clear(zeros, PANEL_BYTES);
  for (let i = 0; i < m; i += STRIP) {
    const row = min(i, m - STRIP);
    const strip = a + (row << 2);
    for (let j = 0; j < n; j += PANEL) {
      const column = min(j, n - PANEL) << 2;
      kernel(k, strip, 4, aRow, STRIP, b + column, bRow, zeros, 0, c + row * cRow + column, cRow);
    }
  }
}

/**
 * Reads a number of every cache line of `rows` rows of `bytes` bytes. Memory answers fastest when it is asked line
 * after line: packing them, or writing tiles of C over them, then finds them in the cache. `sink` is 4 bytes of
 * scratch.
 */
export function fetch(at: usize, row: i32, rows: i32, bytes: i32, sink: usize): void {
  let sum = 0;
  for (let i = 0; i < rows; i++) {
    for (let line = at; line < at + bytes; line += 64) sum ^= load<i32>(line);
    at += row;
  }
  // Or the compiler may leave the reads out.
  store<i32>(sink, sum);
}
