/** Sums, inner products and largest numbers of one row: what reductions, norms and softmax share. */
import { loadTail, madd, maxLanes, sumLanes } from './simd';

/** Bytes of a block that is summed in f32. */
export const SUM_BLOCK_BYTES: usize = 4096;

/** Sum of `count` numbers. */
export function sumRow(x: usize, count: i32): f64 {
  const zero = f32x4.splat(0);
  const end = x + ((<usize>count >> 2) << 4);
  let total: f64 = 0;
  let p = x;
  while (p < end) {
    const blockEnd = min(end, p + SUM_BLOCK_BYTES);
    let a = zero;
    let b = zero;
    let c = zero;
    let d = zero;
    for (; p + 64 <= blockEnd; p += 64) {
      a = f32x4.add(a, v128.load(p));
      b = f32x4.add(b, v128.load(p, 16));
      c = f32x4.add(c, v128.load(p, 32));
      d = f32x4.add(d, v128.load(p, 48));
    }
    for (; p < blockEnd; p += 16) a = f32x4.add(a, v128.load(p));
    total += <f64>sumLanes(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
  }
  if (count & 3) total += <f64>sumLanes(loadTail(end, count & 3, zero));
  return total;
}

/** Sum of the squares of `count` numbers. */
export function sumSquaresRow(x: usize, count: i32): f64 {
  return dotRow(x, x, count);
}

/** Inner product of two rows of `count` numbers. */
@inline
export function dotRow(x: usize, y: usize, count: i32): f64 {
  const zero = f32x4.splat(0);
  const shift = y - x;
  const end = x + ((<usize>count >> 2) << 4);
  let total: f64 = 0;
  let p = x;
  while (p < end) {
    const blockEnd = min(end, p + SUM_BLOCK_BYTES);
    let a = zero;
    let b = zero;
    let c = zero;
    let d = zero;
    for (; p + 64 <= blockEnd; p += 64) {
      const q = p + shift;
      a = madd(v128.load(p), v128.load(q), a);
      b = madd(v128.load(p, 16), v128.load(q, 16), b);
      c = madd(v128.load(p, 32), v128.load(q, 32), c);
      d = madd(v128.load(p, 48), v128.load(q, 48), d);
    }
    for (; p < blockEnd; p += 16) a = madd(v128.load(p), v128.load(p + shift), a);
    total += <f64>sumLanes(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
  }
  const rest = count & 3;
  if (rest) total += <f64>sumLanes(f32x4.mul(loadTail(end, rest, zero), loadTail(end + shift, rest, zero)));
  return total;
}

/** Largest of `count` numbers, minus infinity for none; NaNs may be passed over. */
export function maxRow(x: usize, count: i32): f32 {
  const end = x + ((<usize>count >> 2) << 4);
  let a = f32x4.splat(-Infinity);
  let b = a;
  let c = a;
  let d = a;
  let p = x;
  for (; p + 64 <= end; p += 64) {
    a = f32x4.pmax(a, v128.load(p));
    b = f32x4.pmax(b, v128.load(p, 16));
    c = f32x4.pmax(c, v128.load(p, 32));
    d = f32x4.pmax(d, v128.load(p, 48));
  }
  for (; p < end; p += 16) a = f32x4.pmax(a, v128.load(p));
  if (count & 3) b = f32x4.pmax(b, loadTail(end, count & 3, a));
  return maxLanes(f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d)));
}
