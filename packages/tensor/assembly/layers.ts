/**
 * Layer kernels: norms (norms.ts), softmax (softmax.ts), gated linear unit and rotary embedding (here). A tile is a
 * fixed number of rows.
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
import { sigmoid4, silu4 } from './math';
import { layerNorm, layerNormBackward, rmsNorm, rmsNormBackward } from './norms';
import { fullBytes, loadPart, loadTail, madd, nmadd, storePart, storeTail } from './simd';
import { logSumExp, softmax, softmaxBackward } from './softmax';

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

// ---- gated linear unit
// ------------------------------------------------------------------------------------------------

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

/**
 * With s = sigmoid(gate): gradGate = gradient * up * s * (1 + gate * (1 - s)), gradUp = gradient * gate * s. Words: 3
 * x, 4 gradient, 5 gradX.
 */
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

// ---- rotary position embedding
// ----------------------------------------------------------------------------------------

/**
 * Rows are (batch, position): `heads` heads of `columns` channels. Words: 3 x, 4 cos, 5 sin, 6 out, 7 sequence, 8
 * heads, 9 offset, 10 interleaved, 11 inverse.
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
@inline
function rotateHalves(x: usize, out: usize, cos: usize, sin: usize, half: usize, inverse: bool): void {
  const sign = inverse ? i32x4.splat(0x80000000) : i32x4.splat(0);
  const rest = <i32>((half >> 2) & 3);
  let i: usize = 0;
  for (; i + 16 <= half; i += 16) rotate(x + i, out + i, cos + i, sin + i, half, sign, 0);
  if (rest) rotate(x + i, out + i, cos + i, sin + i, half, sign, rest);
}

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
