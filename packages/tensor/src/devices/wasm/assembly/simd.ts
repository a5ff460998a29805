/** Small tools over v128 that all kernel families share: multiply-add, horizontal sums, row tails. */

/** `a * b + c`: fused with relaxed SIMD, two roundings without. */
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** `c - a * b`: fused with relaxed SIMD, two roundings without. */
@inline
export function nmadd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(a, b, c);
  return f32x4.sub(c, f32x4.mul(a, b));
}

/** Sum of the four lanes. */
@inline
export function sumLanes(v: v128): f32 {
  const pairs = f32x4.add(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** Largest of the four lanes; a NaN lane may be lost. */
@inline
export function maxLanes(v: v128): f32 {
  const pairs = f32x4.pmax(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(pairs, i32x4.shuffle(pairs, pairs, 1, 1, 1, 1)), 0);
}

/** The first `count` (1 to 3) numbers at `address`; the other lanes hold `rest`. */
@inline
export function loadTail(address: usize, count: i32, rest: v128): v128 {
  let v = v128.load_lane<f32>(address, rest, 0);
  if (count > 1) v = v128.load_lane<f32>(address, v, 1, 4);
  if (count > 2) v = v128.load_lane<f32>(address, v, 2, 8);
  return v;
}

/** Writes the first `count` (1 to 3) lanes of `v` at `address`. */
@inline
export function storeTail(address: usize, v: v128, count: i32): void {
  v128.store_lane<f32>(address, v, 0);
  if (count > 1) v128.store_lane<f32>(address, v, 1, 4);
  if (count > 2) v128.store_lane<f32>(address, v, 2, 8);
}

/** Four numbers at `address`, or the first `rest` ones (and zeros) when `rest` is not 0. */
@inline
export function loadPart(address: usize, rest: i32): v128 {
  return rest ? loadTail(address, rest, f32x4.splat(0)) : v128.load(address);
}

/** Writes four numbers at `address`, or the first `rest` ones when `rest` is not 0. */
@inline
export function storePart(address: usize, v: v128, rest: i32): void {
  if (rest) storeTail(address, v, rest);
  else v128.store(address, v);
}

/** Bytes of the full vectors of a row. */
@inline
export function fullBytes(columns: i32): usize {
  return (<usize>columns >> 2) << 4;
}

/** All bits set in the first `rest` lanes. */
@inline
export function tailMask(rest: i32): v128 {
  return i32x4.gt_s(i32x4.splat(rest), i32x4(0, 1, 2, 3));
}
