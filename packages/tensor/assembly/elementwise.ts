/**
 * Elementwise kernels and copies between strided boxes.
 *
 * Flat kernels cut the elements into chunks, one a tile. Kernels over boxes walk the rows of the last axis ("inner"); the
 * other axes are described by words (size, first stride, second stride) behind the fixed arguments.
 */
import {
  ACCUMULATE,
  AFFINE,
  BINARY,
  CAST,
  COPY_ROWS,
  COPY_TRANSPOSED,
  FILL,
  OP_ABS,
  OP_ADD,
  OP_DIVIDE,
  OP_EQUAL,
  OP_EXP,
  OP_GREATER,
  OP_LOG,
  OP_MAXIMUM,
  OP_MINIMUM,
  OP_MULTIPLY,
  OP_NEGATE,
  OP_RECIPROCAL,
  OP_RELU,
  OP_RSQRT,
  OP_SIGMOID,
  OP_SIGN,
  OP_SILU,
  OP_SOFTPLUS,
  OP_SQRT,
  OP_SQUARE,
  OP_SUBTRACT,
  OP_TANH,
  UNARY,
  UNARY_BACKWARD,
} from '../src/devices/wasm/opcodes';
import { exp4, log4, sigmoid4, silu4, softplus4, tanh4 } from './math';
import { loadTail, madd, storeTail } from './simd';

export function run(kernel: i32, args: usize, tile: i32, scratch: usize): void {
  switch (kernel) {
    case FILL & 255:
      fill(args, tile);
      break;
    case AFFINE & 255:
      affine(args, tile);
      break;
    case ACCUMULATE & 255:
      accumulate(args, tile);
      break;
    case UNARY & 255:
      unary(args, tile);
      break;
    case UNARY_BACKWARD & 255:
      unaryBackward(args, tile);
      break;
    case BINARY & 255:
      binary(args, tile, scratch);
      break;
    case CAST & 255:
      cast(args, tile);
      break;
    case COPY_ROWS & 255:
      copyRows(args, tile, scratch);
      break;
    case COPY_TRANSPOSED & 255:
      copyTransposed(args, tile, scratch);
      break;
    default:
      unreachable();
  }
}

// ---- flat kernels: words are count, chunk, then the kernel's own ------------------------------------------------------

/** Offset in bytes of the tile's first element. */
// @ts-ignore: decorator
@inline
function chunkOffset(args: usize, tile: i32): usize {
  return (<usize>(tile * load<i32>(args, 4))) << 2;
}

/** Number of the tile's elements. */
// @ts-ignore: decorator
@inline
function chunkCount(args: usize, tile: i32): i32 {
  const chunk = load<i32>(args, 4);
  return min(chunk, load<i32>(args) - tile * chunk);
}

function fill(args: usize, tile: i32): void {
  const out = load<usize>(args, 8) + chunkOffset(args, tile);
  const count = chunkCount(args, tile);
  const value = v128.load32_splat(args + 12);
  const end = out + ((<usize>count >> 2) << 4);
  let p = out;
  for (; p < end; p += 16) v128.store(p, value);
  if (count & 3) storeTail(p, value, count & 3);
}

function affine(args: usize, tile: i32): void {
  const offset = chunkOffset(args, tile);
  const x = load<usize>(args, 8) + offset;
  const out = load<usize>(args, 12) + offset;
  const scale = v128.load32_splat(args + 16);
  const shift = v128.load32_splat(args + 20);
  const count = chunkCount(args, tile);
  const bytes = (<usize>count >> 2) << 4;
  for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, madd(v128.load(x + i), scale, shift));
  if (count & 3) storeTail(out + bytes, madd(loadTail(x + bytes, count & 3, shift), scale, shift), count & 3);
}

function accumulate(args: usize, tile: i32): void {
  const offset = chunkOffset(args, tile);
  const x = load<usize>(args, 8) + offset;
  const out = load<usize>(args, 12) + offset;
  const scale = v128.load32_splat(args + 16);
  const count = chunkCount(args, tile);
  const bytes = (<usize>count >> 2) << 4;
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(out + i, madd(v128.load(x + i), scale, v128.load(out + i)));
  }
  const rest = count & 3;
  if (rest) {
    const sum = madd(loadTail(x + bytes, rest, scale), scale, loadTail(out + bytes, rest, scale));
    storeTail(out + bytes, sum, rest);
  }
}

/** The word behind the addresses is 1 for f32 to i32, 0 for i32 to f32. */
function cast(args: usize, tile: i32): void {
  const offset = chunkOffset(args, tile);
  const x = load<usize>(args, 8) + offset;
  const out = load<usize>(args, 12) + offset;
  const count = chunkCount(args, tile);
  const bytes = (<usize>count >> 2) << 4;
  const rest = count & 3;
  const zero = i32x4.splat(0);
  if (load<i32>(args, 16)) {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, i32x4.trunc_sat_f32x4_s(v128.load(x + i)));
    if (rest) storeTail(out + bytes, i32x4.trunc_sat_f32x4_s(loadTail(x + bytes, rest, zero)), rest);
  } else {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.convert_i32x4_s(v128.load(x + i)));
    if (rest) storeTail(out + bytes, f32x4.convert_i32x4_s(loadTail(x + bytes, rest, zero)), rest);
  }
}

/** -1, 0 or 1; NaN for NaN. */
// @ts-ignore: decorator
@inline
function sign4(x: v128): v128 {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  const value = f32x4.sub(v128.and(f32x4.gt(x, zero), one), v128.and(f32x4.lt(x, zero), one));
  return v128.bitselect(value, x, f32x4.eq(x, x));
}

// `op` is a constant wherever the next two functions are inlined, so that one branch is left.
// @ts-ignore: decorator
@inline
function unaryValue(op: i32, x: v128): v128 {
  if (op == OP_NEGATE) return f32x4.neg(x);
  if (op == OP_ABS) return f32x4.abs(x);
  if (op == OP_SIGN) return sign4(x);
  if (op == OP_RECIPROCAL) return f32x4.div(f32x4.splat(1), x);
  if (op == OP_SQUARE) return f32x4.mul(x, x);
  if (op == OP_SQRT) return f32x4.sqrt(x);
  if (op == OP_RSQRT) return f32x4.div(f32x4.splat(1), f32x4.sqrt(x));
  if (op == OP_EXP) return exp4(x);
  if (op == OP_LOG) return log4(x);
  if (op == OP_SIGMOID) return sigmoid4(x);
  if (op == OP_SILU) return silu4(x);
  if (op == OP_RELU) return f32x4.pmax(x, f32x4.splat(0));
  if (op == OP_TANH) return tanh4(x);
  return softplus4(x);
}

// @ts-ignore: decorator
@inline
function unaryLoop(op: i32, x: usize, out: usize, count: i32): void {
  const bytes = (<usize>count >> 2) << 4;
  for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, unaryValue(op, v128.load(x + i)));
  const rest = count & 3;
  if (rest) storeTail(out + bytes, unaryValue(op, loadTail(x + bytes, rest, f32x4.splat(1))), rest);
}

function unary(args: usize, tile: i32): void {
  const offset = chunkOffset(args, tile);
  const x = load<usize>(args, 8) + offset;
  const out = load<usize>(args, 12) + offset;
  const count = chunkCount(args, tile);
  switch (load<i32>(args, 16)) {
    case OP_NEGATE:
      unaryLoop(OP_NEGATE, x, out, count);
      break;
    case OP_ABS:
      unaryLoop(OP_ABS, x, out, count);
      break;
    case OP_SIGN:
      unaryLoop(OP_SIGN, x, out, count);
      break;
    case OP_RECIPROCAL:
      unaryLoop(OP_RECIPROCAL, x, out, count);
      break;
    case OP_SQUARE:
      unaryLoop(OP_SQUARE, x, out, count);
      break;
    case OP_SQRT:
      unaryLoop(OP_SQRT, x, out, count);
      break;
    case OP_RSQRT:
      unaryLoop(OP_RSQRT, x, out, count);
      break;
    case OP_EXP:
      unaryLoop(OP_EXP, x, out, count);
      break;
    case OP_LOG:
      unaryLoop(OP_LOG, x, out, count);
      break;
    case OP_SIGMOID:
      unaryLoop(OP_SIGMOID, x, out, count);
      break;
    case OP_SILU:
      unaryLoop(OP_SILU, x, out, count);
      break;
    case OP_RELU:
      unaryLoop(OP_RELU, x, out, count);
      break;
    case OP_TANH:
      unaryLoop(OP_TANH, x, out, count);
      break;
    case OP_SOFTPLUS:
      unaryLoop(OP_SOFTPLUS, x, out, count);
      break;
    default:
      unreachable();
  }
}

/** Whether the derivative is taken from y = op(x) alone; x alone is read otherwise, and neither for negate. */
// @ts-ignore: decorator
@inline
function derivativeFromOutput(op: i32): bool {
  return (
    op == OP_RECIPROCAL || op == OP_SQRT || op == OP_RSQRT || op == OP_EXP || op == OP_SIGMOID || op == OP_TANH
  );
}

/** `gradient * op'(x)`; `v` is y or x as `derivativeFromOutput` says. */
// @ts-ignore: decorator
@inline
function unaryGradient(op: i32, v: v128, gradient: v128): v128 {
  const one = f32x4.splat(1);
  if (op == OP_NEGATE) return f32x4.neg(gradient);
  if (op == OP_ABS) return f32x4.mul(gradient, sign4(v));
  if (op == OP_SIGN) {
    return f32x4.mul(gradient, v128.bitselect(f32x4.splat(0), v, f32x4.eq(v, v)));
  }
  if (op == OP_RECIPROCAL) return f32x4.neg(f32x4.mul(gradient, f32x4.mul(v, v)));
  if (op == OP_SQUARE) return f32x4.mul(gradient, f32x4.add(v, v));
  if (op == OP_SQRT) return f32x4.div(f32x4.mul(gradient, f32x4.splat(0.5)), v);
  if (op == OP_RSQRT) {
    return f32x4.mul(f32x4.mul(f32x4.mul(gradient, f32x4.splat(-0.5)), v), f32x4.mul(v, v));
  }
  if (op == OP_EXP) return f32x4.mul(gradient, v);
  if (op == OP_LOG) return f32x4.div(gradient, v);
  if (op == OP_SIGMOID) return f32x4.mul(gradient, f32x4.mul(v, f32x4.sub(one, v)));
  if (op == OP_SILU) {
    const s = sigmoid4(v);
    return f32x4.mul(gradient, f32x4.mul(s, madd(v, f32x4.sub(one, s), one)));
  }
  if (op == OP_RELU) {
    const step = v128.and(f32x4.gt(v, f32x4.splat(0)), one);
    return f32x4.mul(gradient, v128.bitselect(step, v, f32x4.eq(v, v)));
  }
  if (op == OP_TANH) return f32x4.mul(gradient, f32x4.mul(f32x4.sub(one, v), f32x4.add(one, v)));
  return f32x4.mul(gradient, sigmoid4(v));
}

// @ts-ignore: decorator
@inline
function unaryBackwardLoop(op: i32, args: usize, tile: i32): void {
  const offset = chunkOffset(args, tile);
  const v = (derivativeFromOutput(op) ? load<usize>(args, 12) : load<usize>(args, 8)) + offset;
  const gradient = load<usize>(args, 16) + offset;
  const out = load<usize>(args, 20) + offset;
  const count = chunkCount(args, tile);
  const bytes = (<usize>count >> 2) << 4;
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(out + i, unaryGradient(op, v128.load(v + i), v128.load(gradient + i)));
  }
  const rest = count & 3;
  if (rest) {
    const one = f32x4.splat(1);
    const value = unaryGradient(op, loadTail(v + bytes, rest, one), loadTail(gradient + bytes, rest, one));
    storeTail(out + bytes, value, rest);
  }
}

function unaryBackward(args: usize, tile: i32): void {
  switch (load<i32>(args, 24)) {
    case OP_NEGATE:
      unaryBackwardLoop(OP_NEGATE, args, tile);
      break;
    case OP_ABS:
      unaryBackwardLoop(OP_ABS, args, tile);
      break;
    case OP_SIGN:
      unaryBackwardLoop(OP_SIGN, args, tile);
      break;
    case OP_RECIPROCAL:
      unaryBackwardLoop(OP_RECIPROCAL, args, tile);
      break;
    case OP_SQUARE:
      unaryBackwardLoop(OP_SQUARE, args, tile);
      break;
    case OP_SQRT:
      unaryBackwardLoop(OP_SQRT, args, tile);
      break;
    case OP_RSQRT:
      unaryBackwardLoop(OP_RSQRT, args, tile);
      break;
    case OP_EXP:
      unaryBackwardLoop(OP_EXP, args, tile);
      break;
    case OP_LOG:
      unaryBackwardLoop(OP_LOG, args, tile);
      break;
    case OP_SIGMOID:
      unaryBackwardLoop(OP_SIGMOID, args, tile);
      break;
    case OP_SILU:
      unaryBackwardLoop(OP_SILU, args, tile);
      break;
    case OP_RELU:
      unaryBackwardLoop(OP_RELU, args, tile);
      break;
    case OP_TANH:
      unaryBackwardLoop(OP_TANH, args, tile);
      break;
    case OP_SOFTPLUS:
      unaryBackwardLoop(OP_SOFTPLUS, args, tile);
      break;
    default:
      unreachable();
  }
}

// ---- boxes: a tile is some rows, or a piece of one row -----------------------------------------------------------------

/**
 * Places a walk over the outer axes at `row`. `axes` points at the number of axes and their words (size, first stride,
 * second stride); `walk` holds the two offsets in bytes and an index an axis.
 */
function startWalk(axes: usize, row: i32, walk: usize): void {
  let first: usize = 0;
  let second: usize = 0;
  for (let axis = load<i32>(axes) - 1; axis >= 0; axis--) {
    const words = axes + 4 + 12 * axis;
    const size = load<i32>(words);
    const index = row % size;
    row /= size;
    store<i32>(walk + 4 * axis, index, 8);
    first += <usize>(index * load<i32>(words, 4)) << 2;
    second += <usize>(index * load<i32>(words, 8)) << 2;
  }
  store<usize>(walk, first);
  store<usize>(walk, second, 4);
}

/** Moves the walk to the next row. */
// @ts-ignore: decorator
@inline
function stepWalk(axes: usize, walk: usize): void {
  let first = load<usize>(walk);
  let second = load<usize>(walk, 4);
  for (let axis = load<i32>(axes) - 1; axis >= 0; axis--) {
    const words = axes + 4 + 12 * axis;
    const size = load<i32>(words);
    const index = load<i32>(walk + 4 * axis, 8) + 1;
    first += <usize>load<i32>(words, 4) << 2;
    second += <usize>load<i32>(words, 8) << 2;
    if (index < size) {
      store<i32>(walk + 4 * axis, index, 8);
      break;
    }
    store<i32>(walk + 4 * axis, 0, 8);
    first -= <usize>(size * load<i32>(words, 4)) << 2;
    second -= <usize>(size * load<i32>(words, 8)) << 2;
  }
  store<usize>(walk, first);
  store<usize>(walk, second, 4);
}

// Words of both box kernels: 0 rows, 1 inner, 2 rows a tile, 3 chunks a row, 4 elements a chunk.
// @ts-ignore: decorator
@inline
function tileRow(args: usize, tile: i32): i32 {
  return (tile / load<i32>(args, 12)) * load<i32>(args, 8);
}

// @ts-ignore: decorator
@inline
function tileRows(args: usize, row: i32): i32 {
  return min(load<i32>(args, 8), load<i32>(args) - row);
}

// @ts-ignore: decorator
@inline
function tileColumn(args: usize, tile: i32): i32 {
  return (tile % load<i32>(args, 12)) * load<i32>(args, 16);
}

// @ts-ignore: decorator
@inline
function tileColumns(args: usize, column: i32): i32 {
  return min(load<i32>(args, 16), load<i32>(args, 4) - column);
}

// @ts-ignore: decorator
@inline
function binaryValue(op: i32, a: v128, b: v128): v128 {
  if (op == OP_ADD) return f32x4.add(a, b);
  if (op == OP_SUBTRACT) return f32x4.sub(a, b);
  if (op == OP_MULTIPLY) return f32x4.mul(a, b);
  if (op == OP_DIVIDE) return f32x4.div(a, b);
  if (op == OP_MAXIMUM) return f32x4.max(a, b);
  if (op == OP_MINIMUM) return f32x4.min(a, b);
  if (op == OP_GREATER) return v128.and(f32x4.gt(a, b), f32x4.splat(1));
  return v128.and(f32x4.eq(a, b), f32x4.splat(1));
}

/** `count` (1 to 4) numbers that lie `stride` bytes apart. */
// @ts-ignore: decorator
@inline
function gather4(address: usize, stride: usize, count: i32): v128 {
  let v = v128.load32_splat(address);
  if (count > 1) v = v128.load_lane<f32>(address + stride, v, 1);
  if (count > 2) v = v128.load_lane<f32>(address + 2 * stride, v, 2);
  if (count > 3) v = v128.load_lane<f32>(address + 3 * stride, v, 3);
  return v;
}

/** One row of `op`; strides in elements, of which 0 and 1 have loops of their own. */
// @ts-ignore: decorator
@inline
function binaryRow(op: i32, a: usize, b: usize, out: usize, count: i32, aStride: i32, bStride: i32): void {
  const bytes = (<usize>count >> 2) << 4;
  const rest = count & 3;
  if (aStride == 1 && bStride == 1) {
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(out + i, binaryValue(op, v128.load(a + i), v128.load(b + i)));
    }
  } else if (aStride == 1 && bStride == 0) {
    const second = v128.load32_splat(b);
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, binaryValue(op, v128.load(a + i), second));
  } else if (aStride == 0 && bStride == 1) {
    const first = v128.load32_splat(a);
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, binaryValue(op, first, v128.load(b + i)));
  } else {
    const aStep = <usize>aStride << 2;
    const bStep = <usize>bStride << 2;
    let first = a;
    let second = b;
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(out + i, binaryValue(op, gather4(first, aStep, 4), gather4(second, bStep, 4)));
      first += 4 * aStep;
      second += 4 * bStep;
    }
  }
  if (rest) {
    const done = <usize>(count - rest);
    const aStep = <usize>aStride << 2;
    const bStep = <usize>bStride << 2;
    const first = gather4(a + done * aStep, aStep, rest);
    const second = gather4(b + done * bStep, bStep, rest);
    storeTail(out + bytes, binaryValue(op, first, second), rest);
  }
}

// Words: 5 a, 6 b, 7 out, 8 op, 9 inner stride of a, 10 of b, 11 outer axes.
// @ts-ignore: decorator
@inline
function binaryTile(op: i32, args: usize, tile: i32, walk: usize): void {
  const row = tileRow(args, tile);
  const column = tileColumn(args, tile);
  const rows = tileRows(args, row);
  const columns = tileColumns(args, column);
  const aStride = load<i32>(args, 36);
  const bStride = load<i32>(args, 40);
  const a = load<usize>(args, 20) + (<usize>(column * aStride) << 2);
  const b = load<usize>(args, 24) + (<usize>(column * bStride) << 2);
  const inner = <usize>load<i32>(args, 4) << 2;
  let out = load<usize>(args, 28) + <usize>row * inner + (<usize>column << 2);
  const axes = args + 44;
  startWalk(axes, row, walk);
  for (let r = 0; r < rows; r++) {
    binaryRow(op, a + load<usize>(walk), b + load<usize>(walk, 4), out, columns, aStride, bStride);
    out += inner;
    stepWalk(axes, walk);
  }
}

function binary(args: usize, tile: i32, scratch: usize): void {
  switch (load<i32>(args, 32)) {
    case OP_ADD:
      binaryTile(OP_ADD, args, tile, scratch);
      break;
    case OP_SUBTRACT:
      binaryTile(OP_SUBTRACT, args, tile, scratch);
      break;
    case OP_MULTIPLY:
      binaryTile(OP_MULTIPLY, args, tile, scratch);
      break;
    case OP_DIVIDE:
      binaryTile(OP_DIVIDE, args, tile, scratch);
      break;
    case OP_MAXIMUM:
      binaryTile(OP_MAXIMUM, args, tile, scratch);
      break;
    case OP_MINIMUM:
      binaryTile(OP_MINIMUM, args, tile, scratch);
      break;
    case OP_GREATER:
      binaryTile(OP_GREATER, args, tile, scratch);
      break;
    case OP_EQUAL:
      binaryTile(OP_EQUAL, args, tile, scratch);
      break;
    default:
      unreachable();
  }
}

/** Words: 5 x, 6 out, 7 inner stride of x, 8 of out, 9 outer axes. */
function copyRows(args: usize, tile: i32, walk: usize): void {
  const row = tileRow(args, tile);
  const column = tileColumn(args, tile);
  const rows = tileRows(args, row);
  const columns = tileColumns(args, column);
  const xStride = load<i32>(args, 28);
  const outStride = load<i32>(args, 32);
  const x = load<usize>(args, 20) + (<usize>(column * xStride) << 2);
  const out = load<usize>(args, 24) + (<usize>(column * outStride) << 2);
  const axes = args + 36;
  const bytes = (<usize>columns >> 2) << 4;
  const rest = columns & 3;
  startWalk(axes, row, walk);
  for (let r = 0; r < rows; r++) {
    const from = x + load<usize>(walk);
    const to = out + load<usize>(walk, 4);
    if (outStride == 1 && xStride == 1) {
      for (let i: usize = 0; i < bytes; i += 16) v128.store(to + i, v128.load(from + i));
      if (rest) storeTail(to + bytes, loadTail(from + bytes, rest, i32x4.splat(0)), rest);
    } else if (outStride == 1 && xStride == 0) {
      const value = v128.load32_splat(from);
      for (let i: usize = 0; i < bytes; i += 16) v128.store(to + i, value);
      if (rest) storeTail(to + bytes, value, rest);
    } else {
      const xStep = <usize>xStride << 2;
      const outStep = <usize>outStride << 2;
      let p = from;
      let q = to;
      for (let i = 0; i < columns; i++) {
        store<i32>(q, load<i32>(p));
        p += xStep;
        q += outStep;
      }
    }
    stepWalk(axes, walk);
  }
}

/**
 * A block of a matrix transposition: `out[i, j] = x[j, i]`, in squares of 4 x 4. Words: 0 x, 1 out, 2 height (of i), 3 width (of j), 4 stride
 * of j in x, 5 stride of i in out, 6 elements of a block's side, 7 blocks along i, 8 along j, 9 outer axes.
 */
function copyTransposed(args: usize, tile: i32, walk: usize): void {
  const side = load<i32>(args, 24);
  const blockRows = load<i32>(args, 28);
  const blockColumns = load<i32>(args, 32);
  const square = tile % (blockRows * blockColumns);
  startWalk(args + 36, tile / (blockRows * blockColumns), walk);
  const iBegin = (square / blockColumns) * side;
  const jBegin = (square % blockColumns) * side;
  const iEnd = min(iBegin + side, load<i32>(args, 8));
  const jEnd = min(jBegin + side, load<i32>(args, 12));
  const xStep = <usize>load<i32>(args, 16) << 2;
  const outStep = <usize>load<i32>(args, 20) << 2;
  const x = load<usize>(args) + load<usize>(walk);
  const out = load<usize>(args, 4) + load<usize>(walk, 4);
  const iFull = iBegin + ((iEnd - iBegin) & ~3);
  const jFull = jBegin + ((jEnd - jBegin) & ~3);
  for (let i = iBegin; i < iFull; i += 4) {
    for (let j = jBegin; j < jFull; j += 4) {
      const from = x + (<usize>i << 2) + <usize>j * xStep;
      const to = out + (<usize>j << 2) + <usize>i * outStep;
      const a = v128.load(from);
      const b = v128.load(from + xStep);
      const c = v128.load(from + 2 * xStep);
      const d = v128.load(from + 3 * xStep);
      const abLow = i32x4.shuffle(a, b, 0, 4, 1, 5);
      const abHigh = i32x4.shuffle(a, b, 2, 6, 3, 7);
      const cdLow = i32x4.shuffle(c, d, 0, 4, 1, 5);
      const cdHigh = i32x4.shuffle(c, d, 2, 6, 3, 7);
      v128.store(to, i32x4.shuffle(abLow, cdLow, 0, 1, 4, 5));
      v128.store(to + outStep, i32x4.shuffle(abLow, cdLow, 2, 3, 6, 7));
      v128.store(to + 2 * outStep, i32x4.shuffle(abHigh, cdHigh, 0, 1, 4, 5));
      v128.store(to + 3 * outStep, i32x4.shuffle(abHigh, cdHigh, 2, 3, 6, 7));
    }
    copyCorner(x, out, i, i + 4, jFull, jEnd, xStep, outStep);
  }
  copyCorner(x, out, iFull, iEnd, jBegin, jEnd, xStep, outStep);
}

/** Transposes one by one what is left of a block beside its squares. */
function copyCorner(
  x: usize,
  out: usize,
  iBegin: i32,
  iEnd: i32,
  jBegin: i32,
  jEnd: i32,
  xStep: usize,
  outStep: usize,
): void {
  for (let i = iBegin; i < iEnd; i++) {
    for (let j = jBegin; j < jEnd; j++) {
      store<i32>(out + (<usize>j << 2) + <usize>i * outStep, load<i32>(x + (<usize>i << 2) + <usize>j * xStep));
    }
  }
}
