/** Elementary functions of four lanes at once. */
import { madd } from './simd';

/**
 * `e^x` to about one unit in the last place: with `x = n ln 2 + r`, `|r| <= ln 2 / 2`, it is `2^n` times the Taylor
 * polynomial of `e^r` of degree 7. Minus infinity gives 0, large arguments infinity; NaN passes.
 */
export function exp4(x: v128): v128 {
  // Beyond these bounds the result is 0 or infinity in any case; min and max pass NaN on.
  const bounded = f32x4.max(f32x4.min(x, f32x4.splat(89)), f32x4.splat(-104));
  const n = f32x4.nearest(f32x4.mul(bounded, f32x4.splat(1.44269504)));
  // ln 2 in two parts, the first of few bits, so that n times it is exact.
  const r = madd(n, f32x4.splat(2.1219444e-4), madd(n, f32x4.splat(-0.693359375), bounded));
  let y = madd(r, f32x4.splat(1.0 / 5040), f32x4.splat(1.0 / 720));
  y = madd(r, y, f32x4.splat(1.0 / 120));
  y = madd(r, y, f32x4.splat(1.0 / 24));
  y = madd(r, y, f32x4.splat(1.0 / 6));
  y = madd(r, y, f32x4.splat(0.5));
  y = f32x4.add(madd(f32x4.mul(r, r), y, r), f32x4.splat(1));
  // 2^n in two factors, since n reaches from -150 to 128.
  const power = i32x4.trunc_sat_f32x4_s(n);
  const half = i32x4.shr_s(power, 1);
  const first = i32x4.shl(i32x4.add(half, i32x4.splat(127)), 23);
  const second = i32x4.shl(i32x4.add(i32x4.sub(power, half), i32x4.splat(127)), 23);
  return f32x4.mul(f32x4.mul(y, first), second);
}
