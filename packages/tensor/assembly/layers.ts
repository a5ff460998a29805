/**
 * Layer kernels: norms, softmax, gated linear unit, rotary embedding. A tile is a fixed number of rows. Gradients of norm
 * weights are summed over the rows of a tile into a row of partial sums, which a reduction combines.
 */
import {
  LAYER_NORM,
  LAYER_NORM_BACKWARD,
  LOG_SUM_EXP,
  RMS_NORM,
  RMS_NORM_BACKWARD,
  ROPE,
  SOFTMAX,
  SOFTMAX_BACKWARD,
  SWI_GLU,
  SWI_GLU_BACKWARD,
} from '../src/devices/wasm/opcodes';
import { exp4, log4, sigmoid4, silu4 } from './math';
import { SUM_BLOCK_BYTES, dotRow, maxRow, sumRow, sumSquaresRow } from './reduce';
import { loadPart, loadTail, madd, nmadd, storePart, storeTail, sumLanes } from './simd';

export function run(kernel: i32, args: usize, tile: i32, scratch: usize): void {
  // Words 0 to 2 of every kernel: rows, columns, rows a tile.
  const rowsPerTile = load<i32>(args, 8);
  const begin = tile * rowsPerTile;
  const end = min(begin + rowsPerTile, load<i32>(args));
  const columns = load<i32>(args, 4);
  switch (kernel) {
    case RMS_NORM & 255:
      rmsNorm(args, begin, end, columns);
      break;
    case RMS_NORM_BACKWARD & 255:
      rmsNormBackward(args, begin, end, columns, tile);
      break;
    case LAYER_NORM & 255:
      layerNorm(args, begin, end, columns);
      break;
    case LAYER_NORM_BACKWARD & 255:
      layerNormBackward(args, begin, end, columns, tile);
      break;
    case SOFTMAX & 255:
      softmax(args, begin, end, columns);
      break;
    case SOFTMAX_BACKWARD & 255:
      softmaxBackward(args, begin, end, columns);
      break;
    case LOG_SUM_EXP & 255:
      logSumExp(args, begin, end, columns);
      break;
    case SWI_GLU & 255:
      swiGlu(args, begin, end, columns);
      break;
    case SWI_GLU_BACKWARD & 255:
      swiGluBackward(args, begin, end, columns);
      break;
    case ROPE & 255:
      rope(args, begin, end, columns);
      break;
    default:
      unreachable();
  }
}

/** Bytes of the full vectors of a row. */
// @ts-ignore: decorator
@inline
function fullBytes(columns: i32): usize {
  return (<usize>columns >> 2) << 4;
}

/** All bits set in the first `rest` lanes. */
// @ts-ignore: decorator
@inline
function tailMask(rest: i32): v128 {
  return i32x4.gt_s(i32x4.splat(rest), i32x4(0, 1, 2, 3));
}

// ---- norms ------------------------------------------------------------------------------------------------------------

/** Words: 3 x, 4 weight, 5 out, 6 inverseRms, 7 epsilon. */
function rmsNorm(args: usize, begin: i32, end: i32, columns: i32): void {
  const weight = load<usize>(args, 16);
  const inverseRms = load<usize>(args, 24);
  const epsilon = <f64>load<f32>(args, 28);
  const rowBytes = <usize>columns << 2;
  const bytes = fullBytes(columns);
  const rest = columns & 3;
  for (let row = begin; row < end; row++) {
    const x = load<usize>(args, 12) + <usize>row * rowBytes;
    const out = load<usize>(args, 20) + <usize>row * rowBytes;
    const inverse = <f32>(1.0 / sqrt(sumSquaresRow(x, columns) / <f64>columns + epsilon));
    store<f32>(inverseRms + (<usize>row << 2), inverse);
    const scale = f32x4.splat(inverse);
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(out + i, f32x4.mul(v128.load(weight + i), f32x4.mul(v128.load(x + i), scale)));
    }
    if (rest) {
      const value = f32x4.mul(loadTail(weight + bytes, rest, scale), f32x4.mul(loadTail(x + bytes, rest, scale), scale));
      storeTail(out + bytes, value, rest);
    }
  }
}

/** Sets a row of partial sums to zero. */
// @ts-ignore: decorator
@inline
function clearRow(p: usize, columns: i32): void {
  memory.fill(p, 0, <usize>columns << 2);
}

/**
 * With n = x * inverseRms: gradX = inverseRms * (gradient * weight - n * mean(gradient * weight * n)); partial = sum of gradient * n.
 * Words: 3 x, 4 weight, 5 inverseRms, 6 gradient, 7 gradX, 8 partial.
 */
function rmsNormBackward(args: usize, begin: i32, end: i32, columns: i32, tile: i32): void {
  const weight = load<usize>(args, 16);
  const rowBytes = <usize>columns << 2;
  const partial = load<usize>(args, 32) + <usize>tile * rowBytes;
  const bytes = fullBytes(columns);
  const rest = columns & 3;
  clearRow(partial, columns);
  for (let row = begin; row < end; row++) {
    const offset = <usize>row * rowBytes;
    const x = load<usize>(args, 12) + offset;
    const gradient = load<usize>(args, 24) + offset;
    const gradX = load<usize>(args, 28) + offset;
    const inverse = load<f32>(load<usize>(args, 20) + (<usize>row << 2));
    let a = f32x4.splat(0);
    let b = a;
    let i: usize = 0;
    for (; i + 32 <= bytes; i += 32) {
      a = madd(f32x4.mul(v128.load(gradient + i), v128.load(weight + i)), v128.load(x + i), a);
      b = madd(f32x4.mul(v128.load(gradient + i, 16), v128.load(weight + i, 16)), v128.load(x + i, 16), b);
    }
    if (i < bytes) {
      a = madd(f32x4.mul(v128.load(gradient + i), v128.load(weight + i)), v128.load(x + i), a);
      i += 16;
    }
    if (rest) b = madd(f32x4.mul(loadPart(gradient + i, rest), loadPart(weight + i, rest)), loadPart(x + i, rest), b);
    const mean = <f32>((<f64>sumLanes(f32x4.add(a, b)) * <f64>inverse) / <f64>columns);
    const scale = f32x4.splat(inverse);
    const pull = f32x4.splat(mean);
    for (i = 0; i < bytes; i += 16) rmsNormGradient(x + i, weight + i, gradient + i, gradX + i, partial + i, scale, pull, 0);
    if (rest) rmsNormGradient(x + i, weight + i, gradient + i, gradX + i, partial + i, scale, pull, rest);
  }
}

// @ts-ignore: decorator
@inline
function rmsNormGradient(
  x: usize,
  weight: usize,
  gradient: usize,
  gradX: usize,
  partial: usize,
  scale: v128,
  pull: v128,
  rest: i32,
): void {
  const normal = f32x4.mul(loadPart(x, rest), scale);
  const g = loadPart(gradient, rest);
  const inside = nmadd(normal, pull, f32x4.mul(g, loadPart(weight, rest)));
  storePart(gradX, f32x4.mul(scale, inside), rest);
  storePart(partial, madd(g, normal, loadPart(partial, rest)), rest);
}

/** Words: 3 x, 4 weight, 5 bias, 6 out, 7 mean, 8 inverseStd, 9 epsilon. */
function layerNorm(args: usize, begin: i32, end: i32, columns: i32): void {
  const weight = load<usize>(args, 16);
  const bias = load<usize>(args, 20);
  const epsilon = <f64>load<f32>(args, 36);
  const rowBytes = <usize>columns << 2;
  const bytes = fullBytes(columns);
  const rest = columns & 3;
  const zero = f32x4.splat(0);
  for (let row = begin; row < end; row++) {
    const x = load<usize>(args, 12) + <usize>row * rowBytes;
    const out = load<usize>(args, 24) + <usize>row * rowBytes;
    const mean = <f32>(sumRow(x, columns) / <f64>columns);
    const center = f32x4.splat(mean);
    let a = zero;
    let b = zero;
    let i: usize = 0;
    for (; i + 32 <= bytes; i += 32) {
      const first = f32x4.sub(v128.load(x + i), center);
      const second = f32x4.sub(v128.load(x + i, 16), center);
      a = madd(first, first, a);
      b = madd(second, second, b);
    }
    if (i < bytes) {
      const deviation = f32x4.sub(v128.load(x + i), center);
      a = madd(deviation, deviation, a);
    }
    if (rest) {
      const deviation = f32x4.sub(loadTail(x + bytes, rest, center), center);
      b = madd(v128.and(deviation, tailMask(rest)), deviation, b);
    }
    const variance = <f64>sumLanes(f32x4.add(a, b)) / <f64>columns;
    const inverse = <f32>(1.0 / sqrt(variance + epsilon));
    store<f32>(load<usize>(args, 28) + (<usize>row << 2), mean);
    store<f32>(load<usize>(args, 32) + (<usize>row << 2), inverse);
    const scale = f32x4.splat(inverse);
    for (i = 0; i < bytes; i += 16) {
      const normal = f32x4.mul(f32x4.sub(v128.load(x + i), center), scale);
      v128.store(out + i, madd(v128.load(weight + i), normal, v128.load(bias + i)));
    }
    if (rest) {
      const normal = f32x4.mul(f32x4.sub(loadTail(x + i, rest, zero), center), scale);
      storeTail(out + i, madd(loadTail(weight + i, rest, zero), normal, loadTail(bias + i, rest, zero)), rest);
    }
  }
}

/**
 * With n = (x - mean) * inverseStd and h = gradient * weight: gradX = inverseStd * (h - mean(h) - n * mean(h * n)); the partial sums are of
 * gradient * n and of gradient. Words: 3 x, 4 weight, 5 mean, 6 inverseStd, 7 gradient, 8 gradX, 9 partial of weight, 10 of bias.
 */
function layerNormBackward(args: usize, begin: i32, end: i32, columns: i32, tile: i32): void {
  const weight = load<usize>(args, 16);
  const rowBytes = <usize>columns << 2;
  const partialWeight = load<usize>(args, 36) + <usize>tile * rowBytes;
  const partialBias = load<usize>(args, 40) + <usize>tile * rowBytes;
  const bytes = fullBytes(columns);
  const rest = columns & 3;
  clearRow(partialWeight, columns);
  clearRow(partialBias, columns);
  for (let row = begin; row < end; row++) {
    const offset = <usize>row * rowBytes;
    const x = load<usize>(args, 12) + offset;
    const gradient = load<usize>(args, 28) + offset;
    const gradX = load<usize>(args, 32) + offset;
    const center = v128.load32_splat(load<usize>(args, 20) + (<usize>row << 2));
    const scale = v128.load32_splat(load<usize>(args, 24) + (<usize>row << 2));
    let sumA = f32x4.splat(0);
    let sumB = sumA;
    let productA = sumA;
    let productB = sumA;
    let i: usize = 0;
    for (; i + 32 <= bytes; i += 32) {
      const first = f32x4.mul(v128.load(gradient + i), v128.load(weight + i));
      const second = f32x4.mul(v128.load(gradient + i, 16), v128.load(weight + i, 16));
      sumA = f32x4.add(sumA, first);
      sumB = f32x4.add(sumB, second);
      productA = madd(first, f32x4.sub(v128.load(x + i), center), productA);
      productB = madd(second, f32x4.sub(v128.load(x + i, 16), center), productB);
    }
    if (i < bytes) {
      const h = f32x4.mul(v128.load(gradient + i), v128.load(weight + i));
      sumA = f32x4.add(sumA, h);
      productA = madd(h, f32x4.sub(v128.load(x + i), center), productA);
    }
    if (rest) {
      const h = f32x4.mul(loadPart(gradient + bytes, rest), loadPart(weight + bytes, rest));
      sumB = f32x4.add(sumB, h);
      productB = madd(h, f32x4.sub(loadPart(x + bytes, rest), center), productB);
    }
    const inverse = <f64>f32x4.extract_lane(scale, 0) / <f64>columns;
    const shift = f32x4.splat(<f32>(<f64>sumLanes(f32x4.add(sumA, sumB)) / <f64>columns));
    const pull = f32x4.splat(<f32>(<f64>sumLanes(f32x4.add(productA, productB)) * inverse));
    for (i = 0; i < bytes; i += 16) {
      const g = v128.load(gradient + i);
      const normal = f32x4.mul(f32x4.sub(v128.load(x + i), center), scale);
      const inside = f32x4.sub(f32x4.mul(g, v128.load(weight + i)), shift);
      v128.store(gradX + i, f32x4.mul(scale, nmadd(normal, pull, inside)));
      v128.store(partialWeight + i, madd(g, normal, v128.load(partialWeight + i)));
      v128.store(partialBias + i, f32x4.add(g, v128.load(partialBias + i)));
    }
    if (rest) {
      const g = loadPart(gradient + i, rest);
      const normal = f32x4.mul(f32x4.sub(loadPart(x + i, rest), center), scale);
      const inside = f32x4.sub(f32x4.mul(g, loadPart(weight + i, rest)), shift);
      storeTail(gradX + i, f32x4.mul(scale, nmadd(normal, pull, inside)), rest);
      storeTail(partialWeight + i, madd(g, normal, loadPart(partialWeight + i, rest)), rest);
      storeTail(partialBias + i, f32x4.add(g, loadPart(partialBias + i, rest)), rest);
    }
  }
}

// ---- softmax ----------------------------------------------------------------------------------------------------------

/**
 * Sum of `e^(x - shift)` over a row; with `keep` (a constant) the powers are written to `out`. Like all long sums, in f32 within blocks and in
 * f64 between them.
 */
// @ts-ignore: decorator
@inline
function powersRow(x: usize, out: usize, shift: v128, columns: i32, keep: bool): f64 {
  const end = x + fullBytes(columns);
  const offset = out - x;
  const rest = columns & 3;
  let total: f64 = 0;
  let p = x;
  while (p < end) {
    const blockEnd = min(end, p + SUM_BLOCK_BYTES);
    let a = f32x4.splat(0);
    let b = a;
    for (; p + 32 <= blockEnd; p += 32) {
      const first = exp4(f32x4.sub(v128.load(p), shift));
      const second = exp4(f32x4.sub(v128.load(p, 16), shift));
      if (keep) {
        v128.store(p + offset, first);
        v128.store(p + offset, second, 16);
      }
      a = f32x4.add(a, first);
      b = f32x4.add(b, second);
    }
    if (p < blockEnd) {
      const value = exp4(f32x4.sub(v128.load(p), shift));
      if (keep) v128.store(p + offset, value);
      a = f32x4.add(a, value);
      p += 16;
    }
    total += <f64>sumLanes(f32x4.add(a, b));
  }
  if (rest) {
    const value = exp4(f32x4.sub(loadTail(p, rest, shift), shift));
    if (keep) storeTail(p + offset, value, rest);
    total += <f64>sumLanes(v128.and(value, tailMask(rest)));
  }
  return total;
}

/** Words: 3 x, 4 out. */
function softmax(args: usize, begin: i32, end: i32, columns: i32): void {
  const rowBytes = <usize>columns << 2;
  const bytes = fullBytes(columns);
  const rest = columns & 3;
  for (let row = begin; row < end; row++) {
    const x = load<usize>(args, 12) + <usize>row * rowBytes;
    const out = load<usize>(args, 16) + <usize>row * rowBytes;
    const sum = powersRow(x, out, f32x4.splat(maxRow(x, columns)), columns, true);
    const inverse = f32x4.splat(<f32>(1.0 / sum));
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.mul(v128.load(out + i), inverse));
    if (rest) storeTail(out + bytes, f32x4.mul(loadTail(out + bytes, rest, inverse), inverse), rest);
  }
}

/** Words: 3 y, 4 gradient, 5 out. */
function softmaxBackward(args: usize, begin: i32, end: i32, columns: i32): void {
  const rowBytes = <usize>columns << 2;
  const bytes = fullBytes(columns);
  const rest = columns & 3;
  for (let row = begin; row < end; row++) {
    const offset = <usize>row * rowBytes;
    const y = load<usize>(args, 12) + offset;
    const gradient = load<usize>(args, 16) + offset;
    const out = load<usize>(args, 20) + offset;
    const dot = f32x4.splat(<f32>dotRow(y, gradient, columns));
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(out + i, f32x4.mul(v128.load(y + i), f32x4.sub(v128.load(gradient + i), dot)));
    }
    if (rest) {
      const value = f32x4.mul(loadTail(y + bytes, rest, dot), f32x4.sub(loadTail(gradient + bytes, rest, dot), dot));
      storeTail(out + bytes, value, rest);
    }
  }
}

/** A row whose largest number is infinite gives that number, or NaN if one is in the row. Words: 3 x, 4 out. */
function logSumExp(args: usize, begin: i32, end: i32, columns: i32): void {
  const rowBytes = <usize>columns << 2;
  for (let row = begin; row < end; row++) {
    const x = load<usize>(args, 12) + <usize>row * rowBytes;
    const largest = maxRow(x, columns);
    const shift = f32x4.splat(isFinite<f32>(largest) ? largest : 0);
    const logarithm = log4(f32x4.splat(<f32>powersRow(x, x, shift, columns, false)));
    v128.store_lane<f32>(load<usize>(args, 16) + (<usize>row << 2), f32x4.add(shift, logarithm), 0);
  }
}

// ---- gated linear unit ------------------------------------------------------------------------------------------------

/** Words: 3 x, 4 out; columns is the width. */
function swiGlu(args: usize, begin: i32, end: i32, columns: i32): void {
  const rowBytes = <usize>columns << 2;
  const bytes = fullBytes(columns);
  const rest = columns & 3;
  for (let row = begin; row < end; row++) {
    const gate = load<usize>(args, 12) + 2 * <usize>row * rowBytes;
    const up = gate + rowBytes;
    const out = load<usize>(args, 16) + <usize>row * rowBytes;
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(out + i, f32x4.mul(silu4(v128.load(gate + i)), v128.load(up + i)));
    }
    if (rest) {
      const one = f32x4.splat(1);
      const value = f32x4.mul(silu4(loadTail(gate + bytes, rest, one)), loadTail(up + bytes, rest, one));
      storeTail(out + bytes, value, rest);
    }
  }
}

/** With s = sigmoid(gate): gradGate = gradient * up * s * (1 + gate * (1 - s)), gradUp = gradient * gate * s. Words: 3 x, 4 gradient, 5 gradX. */
function swiGluBackward(args: usize, begin: i32, end: i32, columns: i32): void {
  const rowBytes = <usize>columns << 2;
  const bytes = fullBytes(columns);
  for (let row = begin; row < end; row++) {
    const gate = load<usize>(args, 12) + 2 * <usize>row * rowBytes;
    const gradient = load<usize>(args, 16) + <usize>row * rowBytes;
    const gradGate = load<usize>(args, 20) + 2 * <usize>row * rowBytes;
    for (let i: usize = 0; i < bytes; i += 16) swiGluGradient(gate + i, gradient + i, gradGate + i, rowBytes, 0);
    const rest = columns & 3;
    if (rest) swiGluGradient(gate + bytes, gradient + bytes, gradGate + bytes, rowBytes, rest);
  }
}

// @ts-ignore: decorator
@inline
function swiGluGradient(gate: usize, gradient: usize, gradGate: usize, rowBytes: usize, rest: i32): void {
  const one = f32x4.splat(1);
  const g = loadPart(gradient, rest);
  const z = loadPart(gate, rest);
  const s = sigmoid4(z);
  const upward = f32x4.mul(f32x4.mul(g, loadPart(gate + rowBytes, rest)), s);
  storePart(gradGate, f32x4.mul(upward, madd(z, f32x4.sub(one, s), one)), rest);
  storePart(gradGate + rowBytes, f32x4.mul(g, f32x4.mul(z, s)), rest);
}

// ---- rotary position embedding ----------------------------------------------------------------------------------------

/**
 * Rows are (batch, position): `heads` heads of `columns` channels. Words: 3 x, 4 cos, 5 sin, 6 out, 7 sequence, 8 heads, 9 offset,
 * 10 interleaved, 11 inverse.
 */
function rope(args: usize, begin: i32, end: i32, columns: i32): void {
  const sequence = load<i32>(args, 28);
  const heads = load<i32>(args, 32);
  const interleaved = load<i32>(args, 40) != 0;
  const inverse = load<i32>(args, 44) != 0;
  const half = <usize>(columns >> 1) << 2;
  const headBytes = <usize>columns << 2;
  for (let row = begin; row < end; row++) {
    const position = <usize>(load<i32>(args, 36) + (row % sequence));
    const cos = load<usize>(args, 16) + position * half;
    const sin = load<usize>(args, 20) + position * half;
    const offset = <usize>row * <usize>heads * headBytes;
    let x = load<usize>(args, 12) + offset;
    let out = load<usize>(args, 24) + offset;
    for (let head = 0; head < heads; head++) {
      if (!interleaved) rotateHalves(x, out, cos, sin, half, inverse);
      else if (!inverse) rotatePairs(x, out, cos, sin, half);
      else restorePairs(x, out, cos, sin, half);
      x += headBytes;
      out += headBytes;
    }
  }
}

/** (a, b) to (a cos - b sin, b cos + a sin), or with -sin; a and b are the two halves. */
// @ts-ignore: decorator
@inline
function rotateHalves(x: usize, out: usize, cos: usize, sin: usize, half: usize, inverse: bool): void {
  const sign = inverse ? i32x4.splat(0x80000000) : i32x4.splat(0);
  const rest = <i32>((half >> 2) & 3);
  let i: usize = 0;
  for (; i + 16 <= half; i += 16) rotate(x + i, out + i, cos + i, sin + i, half, sign, 0);
  if (rest) rotate(x + i, out + i, cos + i, sin + i, half, sign, rest);
}

// @ts-ignore: decorator
@inline
function rotate(x: usize, out: usize, cos: usize, sin: usize, half: usize, sign: v128, rest: i32): void {
  const a = loadPart(x, rest);
  const b = loadPart(x + half, rest);
  const c = loadPart(cos, rest);
  const s = v128.xor(loadPart(sin, rest), sign);
  storePart(out, nmadd(b, s, f32x4.mul(a, c)), rest);
  storePart(out + half, madd(a, s, f32x4.mul(b, c)), rest);
}

/** Neighbours (a, b) are rotated and written to the two halves. */
// @ts-ignore: decorator
@inline
function rotatePairs(x: usize, out: usize, cos: usize, sin: usize, half: usize): void {
  let i: usize = 0;
  for (; i + 16 <= half; i += 16) {
    const low = v128.load(x + 2 * i);
    const high = v128.load(x + 2 * i, 16);
    const a = i32x4.shuffle(low, high, 0, 2, 4, 6);
    const b = i32x4.shuffle(low, high, 1, 3, 5, 7);
    const c = v128.load(cos + i);
    const s = v128.load(sin + i);
    v128.store(out + i, nmadd(b, s, f32x4.mul(a, c)));
    v128.store(out + half + i, madd(a, s, f32x4.mul(b, c)));
  }
  for (; i < half; i += 4) {
    const a = load<f32>(x + 2 * i);
    const b = load<f32>(x + 2 * i, 4);
    const c = load<f32>(cos + i);
    const s = load<f32>(sin + i);
    store<f32>(out + i, a * c - b * s);
    store<f32>(out + half + i, b * c + a * s);
  }
}

/** The transpose of `rotatePairs`: halves in, neighbours out. */
// @ts-ignore: decorator
@inline
function restorePairs(x: usize, out: usize, cos: usize, sin: usize, half: usize): void {
  let i: usize = 0;
  for (; i + 16 <= half; i += 16) {
    const a = v128.load(x + i);
    const b = v128.load(x + half + i);
    const c = v128.load(cos + i);
    const s = v128.load(sin + i);
    const first = madd(b, s, f32x4.mul(a, c));
    const second = nmadd(a, s, f32x4.mul(b, c));
    v128.store(out + 2 * i, i32x4.shuffle(first, second, 0, 4, 1, 5));
    v128.store(out + 2 * i, i32x4.shuffle(first, second, 2, 6, 3, 7), 16);
  }
  for (; i < half; i += 4) {
    const a = load<f32>(x + i);
    const b = load<f32>(x + half + i);
    const c = load<f32>(cos + i);
    const s = load<f32>(sin + i);
    store<f32>(out + 2 * i, a * c + b * s);
    store<f32>(out + 2 * i, b * c - a * s, 4);
  }
}
