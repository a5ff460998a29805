/**
 * Exponential, logarithm and their kin on four f32 lanes, without calls to the host, so that every machine and thread
 * gets the same bits (per binary: relaxed SIMD rounds multiply-adds once, plain SIMD twice).
 *
 * Method: argument reduction with the constant in two parts (Cody and Waite, Software Manual for the Elementary
 * Functions, 1980), then a polynomial of least relative error on the reduced interval, fitted with the exchange
 * algorithm of Remez in 40 digits. NaN goes in and comes out everywhere.
 */
import { madd, nmadd } from './simd';

// Constants lie in memory and are loaded where they are used: engines build a vector constant anew, in four
// instructions, at each use in a loop, where a splatting load takes one.

/** Argument limits of the exponential. */
const EXP_RANGE = memory.data<f32>([-87.5, 89]);
/** log2(e). */
const LOG2_E = memory.data<f32>([1.4426950216293335]);
/** Adding it leaves the nearest integer plus 126 in the low bits of the sum: `1.5 * 2^23 + 126`. */
const ROUNDER = memory.data<f32>([12583038.0]);
/** ln 2 in two parts; the high one has 15 bits, so that its product with an exponent is exact. */
const LN2 = memory.data<f32>([0.693145751953125, 1.428606765330187e-6]);
/** e^r on [-ln(2) / 2, ln(2) / 2], from degree 0. */
const EXP_POLYNOMIAL = memory.data<f32>([
  1, 1, 0.4999999403953552, 0.1666651964187622, 0.041668400168418884, 0.00836885068565607, 0.0013814320554956794,
]);
/** (log(1 + f) - f + f^2 / 2) / f^3 on [sqrt(1/2) - 1, sqrt(2) - 1], from degree 0. */
const LOG_POLYNOMIAL = memory.data<f32>([
  0.3333330750465393, -0.2499997317790985, 0.20002511143684387, -0.1667034924030304, 0.14213445782661438,
  -0.12358972430229187, 0.11886387318372726, -0.11962111294269562, 0.07105211168527603,
]);
/** (tanh(x) - x) / x^3 on [0, 0.625], in powers of x^2 from degree 0. */
const TANH_POLYNOMIAL = memory.data<f32>([
  -0.3333328068256378, 0.13331441581249237, -0.05373971536755562, 0.0206390880048275, -0.005704987794160843,
]);

/** Number `index` of a table, in all lanes. */
@inline
function constant(table: usize, index: usize = 0): v128 {
  return v128.load32_splat(table + 4 * index);
}

/**
 * e^x within 1.6 ulp. Above 88.72 plus infinity; results below 2^-125 (x < -86.99) are flushed to 0.
 * e^x = 2^n e^r with |r| <= ln(2) / 2, where 2^(n-1) is made of the low bits of the rounded sum, and the last doubling
 * overflows.
 */
@inline
export function exp4(x: v128): v128 {
  const clamped = f32x4.pmax(f32x4.pmin(x, constant(EXP_RANGE, 1)), constant(EXP_RANGE));
  const shifted = madd(clamped, constant(LOG2_E), constant(ROUNDER));
  const n = f32x4.sub(shifted, constant(ROUNDER));
  const r = nmadd(n, constant(LN2, 1), nmadd(n, constant(LN2), clamped));
  let p = madd(r, constant(EXP_POLYNOMIAL, 6), constant(EXP_POLYNOMIAL, 5));
  p = madd(r, p, constant(EXP_POLYNOMIAL, 4));
  p = madd(r, p, constant(EXP_POLYNOMIAL, 3));
  p = madd(r, p, constant(EXP_POLYNOMIAL, 2));
  p = madd(r, p, constant(EXP_POLYNOMIAL, 1));
  p = madd(r, p, constant(EXP_POLYNOMIAL));
  const scaled = f32x4.mul(p, i32x4.shl(shifted, 23));
  return f32x4.add(scaled, scaled);
}

/** `exponent * ln 2 + log(1 + f)` for f in [sqrt(1/2) - 1, sqrt(2) - 1]. */
@inline
function logReduced(f: v128, exponent: v128): v128 {
  let p = madd(f, constant(LOG_POLYNOMIAL, 8), constant(LOG_POLYNOMIAL, 7));
  p = madd(f, p, constant(LOG_POLYNOMIAL, 6));
  p = madd(f, p, constant(LOG_POLYNOMIAL, 5));
  p = madd(f, p, constant(LOG_POLYNOMIAL, 4));
  p = madd(f, p, constant(LOG_POLYNOMIAL, 3));
  p = madd(f, p, constant(LOG_POLYNOMIAL, 2));
  p = madd(f, p, constant(LOG_POLYNOMIAL, 1));
  p = madd(f, p, constant(LOG_POLYNOMIAL));
  const square = f32x4.mul(f, f);
  let low = f32x4.mul(f32x4.mul(f, square), p);
  low = madd(exponent, constant(LN2, 1), low);
  low = nmadd(f32x4.splat(0.5), square, low);
  return madd(exponent, constant(LN2), f32x4.add(f, low));
}

/** Natural logarithm within 1 ulp, denormals included; log(0) is minus infinity, log of a negative number NaN. */
@inline
export function log4(x: v128): v128 {
  const denormal = f32x4.lt(x, f32x4.splat(1.1754943508222875e-38));
  const scaled = v128.bitselect(f32x4.mul(x, f32x4.splat(8388608)), x, denormal);
  // Taking the bits of sqrt(1/2) away first makes the exponent that of the mantissa in [sqrt(1/2), sqrt(2)).
  const offset = i32x4.sub(scaled, i32x4.splat(0x3f3504f3));
  const n = i32x4.shr_s(offset, 23);
  const mantissa = i32x4.sub(scaled, i32x4.shl(n, 23));
  const exponent = f32x4.sub(f32x4.convert_i32x4_s(n), v128.and(denormal, f32x4.splat(23)));
  const value = logReduced(f32x4.sub(mantissa, f32x4.splat(1)), exponent);
  const infinity = f32x4.splat(Infinity);
  const ordinary = v128.and(f32x4.gt(x, f32x4.splat(0)), f32x4.lt(x, infinity));
  let special = v128.bitselect(infinity, f32x4.splat(NaN), f32x4.eq(x, infinity));
  special = v128.bitselect(f32x4.splat(-Infinity), special, f32x4.eq(x, f32x4.splat(0)));
  return v128.bitselect(value, special, ordinary);
}

/** log(1 + t) for t in [0, 1], within 1 ulp. */
@inline
export function log1pOfUnit4(t: v128): v128 {
  const large = f32x4.gt(t, f32x4.splat(0.41421356));
  const halved = f32x4.mul(f32x4.sub(t, f32x4.splat(1)), f32x4.splat(0.5));
  return logReduced(v128.bitselect(halved, t, large), v128.and(large, f32x4.splat(1)));
}

/** `1 / (1 + e^-x)`; small results are as exact as large ones, below 2^-127 (x < -88.72) they are 0. */
@inline
export function sigmoid4(x: v128): v128 {
  return f32x4.div(f32x4.splat(1), onePlusExpOfNegative4(x));
}

/** `x * sigmoid(x)`; minus infinity gives NaN, as the product does. */
@inline
export function silu4(x: v128): v128 {
  return f32x4.div(x, onePlusExpOfNegative4(x));
}

@inline
function onePlusExpOfNegative4(x: v128): v128 {
  return f32x4.add(f32x4.splat(1), exp4(f32x4.neg(x)));
}

/** Hyperbolic tangent: an odd polynomial below 0.625, `(1 - e^-2|x|) / (1 + e^-2|x|)` above. */
@inline
export function tanh4(x: v128): v128 {
  const one = f32x4.splat(1);
  const magnitude = f32x4.abs(x);
  const square = f32x4.mul(x, x);
  let p = madd(square, constant(TANH_POLYNOMIAL, 4), constant(TANH_POLYNOMIAL, 3));
  p = madd(square, p, constant(TANH_POLYNOMIAL, 2));
  p = madd(square, p, constant(TANH_POLYNOMIAL, 1));
  p = madd(square, p, constant(TANH_POLYNOMIAL));
  const small = madd(f32x4.mul(x, square), p, x);
  const e = exp4(f32x4.mul(magnitude, f32x4.splat(-2)));
  const large = f32x4.div(f32x4.sub(one, e), f32x4.add(one, e));
  const signed = v128.or(large, v128.and(x, f32x4.splat(-0.0)));
  return v128.bitselect(small, signed, f32x4.lt(magnitude, f32x4.splat(0.625)));
}

/** `log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)`. */
@inline
export function softplus4(x: v128): v128 {
  const e = exp4(f32x4.neg(f32x4.abs(x)));
  return f32x4.add(f32x4.pmax(x, f32x4.splat(0)), log1pOfUnit4(e));
}
