/**
 * Random numbers by counters: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3",
 * 2011). Four blocks of the counter run at once, one a lane. No multiply-add is fused here, so that hosts with and
 * without relaxed SIMD draw the same numbers bit for bit.
 */
import { RANDOM_NORMAL, RANDOM_UNIFORM, RandomUniformWords } from '../generated/commands';

/** Runs tile `tile` of a command of this family; both have the same words. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  switch (opcode) {
    case RANDOM_UNIFORM:
      draw(changetype<RandomUniformWords>(args), tile, scratch, false);
      break;
    case RANDOM_NORMAL:
      draw(changetype<RandomUniformWords>(args), tile, scratch, true);
      break;
    default:
      unreachable();
  }
}

/** out, count, keyLow, keyHigh, groups (of 16 numbers) a tile */
function draw(words: RandomUniformWords, tile: i32, scratch: usize, normal: bool): void {
  const out = words.out;
  const count = words.count;
  const keyLow = words.keyLow;
  const keyHigh = words.keyHigh;
  const groupsPerTile = words.groupsPerTile;
  const end = min((count + 15) >> 4, (tile + 1) * groupsPerTile);
  for (let group = tile * groupsPerTile; group < end; group++) {
    const to = out + ((<usize>group) << 6);
    const rest = count - (group << 4);
    if (rest >= 16) {
      drawGroup(to, group, keyLow, keyHigh, normal);
    } else {
      drawGroup(scratch, group, keyLow, keyHigh, normal);
      memory.copy(to, scratch, (<usize>rest) << 2);
    }
  }
}

/** The high halves of the products of two lanes each, beside the low halves: `[high, low]` by even and odd lanes. */
@inline
function highHalves(even: v128, odd: v128): v128 {
  return v128.shuffle<i32>(even, odd, 1, 3, 5, 7);
}

@inline
function lowHalves(even: v128, odd: v128): v128 {
  return v128.shuffle<i32>(even, odd, 0, 2, 4, 6);
}

/** Numbers `16 * group` to `16 * group + 15`. */
@inline
function drawGroup(to: usize, group: i32, keyLow: u32, keyHigh: u32, normal: bool): void {
  const multiplier0 = i32x4.splat(0xd2511f53);
  const multiplier1 = i32x4.splat(0xcd9e8d57);
  let c0 = i32x4.add(i32x4.splat(group << 2), i32x4(0, 1, 2, 3));
  let c1 = i32x4.splat(0);
  let c2 = i32x4.splat(0);
  let c3 = i32x4.splat(0);
  for (let round = 0; round < 10; round++) {
    const lower0 = i64x2.extmul_low_i32x4_u(c0, multiplier0);
    const upper0 = i64x2.extmul_high_i32x4_u(c0, multiplier0);
    const lower1 = i64x2.extmul_low_i32x4_u(c2, multiplier1);
    const upper1 = i64x2.extmul_high_i32x4_u(c2, multiplier1);
    c0 = v128.xor(v128.xor(highHalves(lower1, upper1), c1), i32x4.splat(keyLow));
    c2 = v128.xor(v128.xor(highHalves(lower0, upper0), c3), i32x4.splat(keyHigh));
    c1 = lowHalves(lower1, upper1);
    c3 = lowHalves(lower0, upper0);
    keyLow += 0x9e3779b9;
    keyHigh += 0xbb67ae85;
  }
  c0 = i32x4.shr_u(c0, 8);
  c1 = i32x4.shr_u(c1, 8);
  c2 = i32x4.shr_u(c2, 8);
  c3 = i32x4.shr_u(c3, 8);
  const unit = f32x4.splat(<f32>(1.0 / 16777216.0));
  let x0: v128;
  let x1: v128;
  let x2: v128;
  let x3: v128;
  if (normal) {
    const one = i32x4.splat(1);
    const radius0 = radius(f32x4.mul(f32x4.convert_i32x4_s(i32x4.add(c0, one)), unit));
    const radius1 = radius(f32x4.mul(f32x4.convert_i32x4_s(i32x4.add(c2, one)), unit));
    const turn0 = f32x4.mul(f32x4.convert_i32x4_s(c1), unit);
    const turn1 = f32x4.mul(f32x4.convert_i32x4_s(c3), unit);
    x0 = f32x4.mul(radius0, cosineOfTurn(turn0));
    x1 = f32x4.mul(radius0, sineOfTurn(turn0));
    x2 = f32x4.mul(radius1, cosineOfTurn(turn1));
    x3 = f32x4.mul(radius1, sineOfTurn(turn1));
  } else {
    x0 = f32x4.mul(f32x4.convert_i32x4_s(c0), unit);
    x1 = f32x4.mul(f32x4.convert_i32x4_s(c1), unit);
    x2 = f32x4.mul(f32x4.convert_i32x4_s(c2), unit);
    x3 = f32x4.mul(f32x4.convert_i32x4_s(c3), unit);
  }
  // Word by block becomes block by word.
  const low01 = v128.shuffle<i32>(x0, x1, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(x0, x1, 2, 6, 3, 7);
  const low23 = v128.shuffle<i32>(x2, x3, 0, 4, 1, 5);
  const high23 = v128.shuffle<i32>(x2, x3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i32>(low01, low23, 0, 1, 4, 5));
  v128.store(to, v128.shuffle<i32>(low01, low23, 2, 3, 6, 7), 16);
  v128.store(to, v128.shuffle<i32>(high01, high23, 0, 1, 4, 5), 32);
  v128.store(to, v128.shuffle<i32>(high01, high23, 2, 3, 6, 7), 48);
}

/**
 * `sqrt(-2 ln u)` of u in (0, 1]. With `u = m 2^e`, m around 1 and `s = (m - 1) / (m + 1)`: `ln m = 2 (s + s^3 / 3 +
 * s^5 / 5 + ..)`;
 * |s| < 0.172, so five terms reach f32.
 */
@inline
function radius(u: v128): v128 {
  // Bits of sqrt(1/2): the mantissa is taken from [sqrt(1/2), sqrt(2)).
  const shifted = i32x4.sub(u, i32x4.splat(0x3f3504f3));
  const exponent = i32x4.shr_s(shifted, 23);
  const m = i32x4.sub(u, i32x4.shl(exponent, 23));
  const one = f32x4.splat(1);
  const s = f32x4.div(f32x4.sub(m, one), f32x4.add(m, one));
  const s2 = f32x4.mul(s, s);
  let series = f32x4.splat(<f32>(-4.0 / 9.0));
  series = f32x4.add(f32x4.mul(series, s2), f32x4.splat(<f32>(-4.0 / 7.0)));
  series = f32x4.add(f32x4.mul(series, s2), f32x4.splat(<f32>(-4.0 / 5.0)));
  series = f32x4.add(f32x4.mul(series, s2), f32x4.splat(<f32>(-4.0 / 3.0)));
  const logM = f32x4.add(f32x4.mul(f32x4.mul(series, s2), s), f32x4.mul(s, f32x4.splat(-4)));
  const logE = f32x4.mul(f32x4.convert_i32x4_s(exponent), f32x4.splat(<f32>-1.3862943611198906));
  return f32x4.sqrt(f32x4.add(logE, logM));
}

/** The nearest quarter of a turn, in quarters (0 to 4). */
@inline
function quarter(turn: v128): v128 {
  return f32x4.nearest(f32x4.mul(turn, f32x4.splat(4)));
}

/** What is left beyond that quarter, in radians, at most pi / 4; exact up to the last product. */
@inline
function angle(turn: v128, quarters: v128): v128 {
  return f32x4.mul(f32x4.sub(f32x4.mul(turn, f32x4.splat(4)), quarters), f32x4.splat(<f32>1.5707963267948966));
}

/** `sin x` of |x| at most pi / 4, by its series. */
@inline
function sine(x: v128): v128 {
  const x2 = f32x4.mul(x, x);
  let p = f32x4.splat(<f32>(1.0 / 362880.0));
  p = f32x4.add(f32x4.mul(p, x2), f32x4.splat(<f32>(-1.0 / 5040.0)));
  p = f32x4.add(f32x4.mul(p, x2), f32x4.splat(<f32>(1.0 / 120.0)));
  p = f32x4.add(f32x4.mul(p, x2), f32x4.splat(<f32>(-1.0 / 6.0)));
  return f32x4.add(x, f32x4.mul(f32x4.mul(p, x2), x));
}

/** `cos x` of |x| at most pi / 4, by its series. */
@inline
function cosine(x: v128): v128 {
  const x2 = f32x4.mul(x, x);
  let p = f32x4.splat(<f32>(-1.0 / 3628800.0));
  p = f32x4.add(f32x4.mul(p, x2), f32x4.splat(<f32>(1.0 / 40320.0)));
  p = f32x4.add(f32x4.mul(p, x2), f32x4.splat(<f32>(-1.0 / 720.0)));
  p = f32x4.add(f32x4.mul(p, x2), f32x4.splat(<f32>(1.0 / 24.0)));
  p = f32x4.add(f32x4.mul(p, x2), f32x4.splat(-0.5));
  return f32x4.add(f32x4.mul(p, x2), f32x4.splat(1));
}

/** `sin x` or, where `quarters` is odd, `cos x`; negated in the second half of the turn. */
@inline
function rotated(sineOf: v128, cosineOf: v128, quarters: v128): v128 {
  const odd = i32x4.shr_s(i32x4.shl(quarters, 31), 31);
  const sign = i32x4.shl(i32x4.shr_u(quarters, 1), 31);
  return v128.xor(v128.bitselect(cosineOf, sineOf, odd), sign);
}

/** `sin(2 pi turn)` of turn in [0, 1). */
@inline
function sineOfTurn(turn: v128): v128 {
  const quarters = quarter(turn);
  const x = angle(turn, quarters);
  return rotated(sine(x), cosine(x), i32x4.trunc_sat_f32x4_s(quarters));
}

/** `cos(2 pi turn)`: a quarter ahead of the sine. */
@inline
function cosineOfTurn(turn: v128): v128 {
  const quarters = quarter(turn);
  const x = angle(turn, quarters);
  return rotated(sine(x), cosine(x), i32x4.add(i32x4.trunc_sat_f32x4_s(quarters), i32x4.splat(1)));
}
