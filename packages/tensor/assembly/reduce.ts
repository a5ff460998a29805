/**
 * Reductions. Sums stay accurate at any length: a block of up to 1024 numbers is summed in 16 lanes of f32, and the
 * blocks' sums in f64; reductions over a strided axis go in blocks whose results are reduced again.
 */
import {
  OP_MAX,
  OP_MIN,
  OP_SUM,
  REDUCE_BLOCKS,
  REDUCE_ROWS,
  SUM_OF_SQUARES_COMBINE,
  SUM_OF_SQUARES_PARTIAL,
} from '../src/devices/wasm/opcodes';
import { loadPart, loadTail, madd, maxLanes, storeTail, sumLanes } from './simd';

export function run(kernel: i32, args: usize, tile: i32, scratch: usize): void {
  switch (kernel) {
    case REDUCE_ROWS & 255:
      reduceRows(args, tile);
      break;
    case REDUCE_BLOCKS & 255:
      reduceBlocks(args, tile);
      break;
    case SUM_OF_SQUARES_PARTIAL & 255:
      sumOfSquaresPartial(args, tile);
      break;
    case SUM_OF_SQUARES_COMBINE & 255:
      sumOfSquaresCombine(args);
      break;
    default:
      unreachable();
  }
}

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

// ---- rows
// -------------------------------------------------------------------------------------------------------------

// An operation is a class, so that loops can be generic over it. `combine` passes NaN on; `pick` is cheaper and drops a
// NaN in v.
class Sum {
  @inline
  combine(a: v128, v: v128): v128 {
    return f32x4.add(a, v);
  }
  @inline
  identity(): v128 {
    return f32x4.splat(0);
  }
}

class Max {
  @inline
  combine(a: v128, v: v128): v128 {
    return f32x4.max(a, v);
  }
  @inline
  pick(a: v128, v: v128): v128 {
    return f32x4.pmax(a, v);
  }
  @inline
  identity(): v128 {
    return f32x4.splat(-Infinity);
  }
}

class Min {
  @inline
  combine(a: v128, v: v128): v128 {
    return f32x4.min(a, v);
  }
  @inline
  pick(a: v128, v: v128): v128 {
    return f32x4.pmin(a, v);
  }
  @inline
  identity(): v128 {
    return f32x4.splat(Infinity);
  }
}

/** Lanes that hold NaN. */
@inline
function unordered(v: v128): v128 {
  return f32x4.ne(v, v);
}

/** Largest or smallest number of a row, NaN if there is one. */
@inline
function extremeRow<F>(x: usize, count: i32): f32 {
  const op = changetype<F>(0);
  const end = x + ((<usize>count >> 2) << 4);
  let a = op.identity();
  let b = a;
  let nanA = i32x4.splat(0);
  let nanB = nanA;
  let p = x;
  for (; p + 32 <= end; p += 32) {
    const first = v128.load(p);
    const second = v128.load(p, 16);
    a = op.pick(a, first);
    b = op.pick(b, second);
    nanA = v128.or(nanA, unordered(first));
    nanB = v128.or(nanB, unordered(second));
  }
  if (p < end) {
    const v = v128.load(p);
    a = op.pick(a, v);
    nanA = v128.or(nanA, unordered(v));
  }
  if (count & 3) {
    const v = loadTail(end, count & 3, op.identity());
    b = op.pick(b, v);
    nanB = v128.or(nanB, unordered(v));
  }
  if (v128.any_true(v128.or(nanA, nanB))) return NaN;
  a = op.pick(a, b);
  a = op.pick(a, i32x4.shuffle(a, a, 2, 3, 0, 1));
  return f32x4.extract_lane(op.pick(a, i32x4.shuffle(a, a, 1, 1, 1, 1)), 0);
}

/**
 * Reduces the last axis of x `[rows, length]`, block after block of `blockLength`: out `[rows, blocks]`. Words: 0 x, 1
 * out, 2 op, 3 units (rows times blocks), 4 units a tile, 5 blocks a row, 6 length, 7 blockLength.
 */
function reduceRows(args: usize, tile: i32): void {
  const x = load<usize>(args);
  const out = load<usize>(args, 4);
  const op = load<i32>(args, 8);
  const unitsPerTile = load<i32>(args, 16);
  const blocks = load<i32>(args, 20);
  const length = load<i32>(args, 24);
  const blockLength = load<i32>(args, 28);
  const begin = tile * unitsPerTile;
  const end = min(begin + unitsPerTile, load<i32>(args, 12));
  for (let unit = begin; unit < end; unit++) {
    const row = unit / blocks;
    const start = (unit - row * blocks) * blockLength;
    const count = min(blockLength, length - start);
    const from = x + ((<usize>row * <usize>length + <usize>start) << 2);
    let value: f32;
    if (op == OP_SUM) value = <f32>sumRow(from, count);
    else if (op == OP_MAX) value = extremeRow<Max>(from, count);
    else value = extremeRow<Min>(from, count);
    store<f32>(out + (<usize>unit << 2), value);
  }
}

// ---- strided axes
// -----------------------------------------------------------------------------------------------------

/** Eight rows that lie `stride` bytes apart, combined pairwise. */
@inline
function combineRows8<F>(x: usize, stride: usize, rest: i32): v128 {
  const op = changetype<F>(0);
  const middle = x + 4 * stride;
  const ab = op.combine(loadPart(x, rest), loadPart(x + stride, rest));
  const cd = op.combine(loadPart(x + 2 * stride, rest), loadPart(x + 3 * stride, rest));
  const ef = op.combine(loadPart(middle, rest), loadPart(middle + stride, rest));
  const gh = op.combine(loadPart(middle + 2 * stride, rest), loadPart(middle + 3 * stride, rest));
  return op.combine(op.combine(ab, cd), op.combine(ef, gh));
}

/**
 * Reduces `rows` rows into the row at `out`, eight at a time: whole stretches of each row are read one after the other.
 */
@inline
function reduceBlock<F>(x: usize, out: usize, rows: i32, stride: usize, columns: i32): void {
  const op = changetype<F>(0);
  const bytes = (<usize>columns >> 2) << 4;
  const rest = columns & 3;
  let p = x;
  let r = 0;
  if (rows >= 8) {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, combineRows8<F>(p + i, stride, 0));
    if (rest) storeTail(out + bytes, combineRows8<F>(p + bytes, stride, rest), rest);
    p += 8 * stride;
    r = 8;
  } else {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, op.identity());
    if (rest) storeTail(out + bytes, op.identity(), rest);
  }
  for (; r + 8 <= rows; r += 8) {
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(out + i, op.combine(v128.load(out + i), combineRows8<F>(p + i, stride, 0)));
    }
    if (rest) {
      const sum = op.combine(loadPart(out + bytes, rest), combineRows8<F>(p + bytes, stride, rest));
      storeTail(out + bytes, sum, rest);
    }
    p += 8 * stride;
  }
  for (; r < rows; r++) {
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(out + i, op.combine(v128.load(out + i), v128.load(p + i)));
    }
    if (rest) storeTail(out + bytes, op.combine(loadPart(out + bytes, rest), loadPart(p + bytes, rest)), rest);
    p += stride;
  }
}

/**
 * Reduces the middle axis of x `[outer, length, inner]` in blocks: out `[outer, blocks, inner]`. Words: 0 x, 1 out, 2
 * op, 3 units (outer times blocks times pieces), 4 units a tile, 5 blocks, 6 length, 7 blockLength, 8 inner, 9 pieces
 * of inner, 10 columns of a piece.
 */
function reduceBlocks(args: usize, tile: i32): void {
  const op = load<i32>(args, 8);
  const unitsPerTile = load<i32>(args, 16);
  const blocks = load<i32>(args, 20);
  const length = load<i32>(args, 24);
  const blockLength = load<i32>(args, 28);
  const inner = load<i32>(args, 32);
  const pieces = load<i32>(args, 36);
  const pieceColumns = load<i32>(args, 40);
  const begin = tile * unitsPerTile;
  const end = min(begin + unitsPerTile, load<i32>(args, 12));
  const stride = <usize>inner << 2;
  for (let unit = begin; unit < end; unit++) {
    const block = unit / pieces;
    const column = (unit - block * pieces) * pieceColumns;
    const columns = min(pieceColumns, inner - column);
    const outer = block / blocks;
    const start = (block - outer * blocks) * blockLength;
    const rows = min(blockLength, length - start);
    const x = load<usize>(args) + (<usize>outer * <usize>length + <usize>start) * stride + (<usize>column << 2);
    const out = load<usize>(args, 4) + <usize>block * stride + (<usize>column << 2);
    if (op == OP_SUM) reduceBlock<Sum>(x, out, rows, stride, columns);
    else if (op == OP_MAX) reduceBlock<Max>(x, out, rows, stride, columns);
    else reduceBlock<Min>(x, out, rows, stride, columns);
  }
}

// ---- sum of squares over several buffers
// ------------------------------------------------------------------------------

/**
 * The sum of squares of one chunk, as f64. Words: 0 table of segments (address, count, first tile), 1 segments, 2
 * chunk, 3 partial sums.
 */
function sumOfSquaresPartial(args: usize, tile: i32): void {
  const table = load<usize>(args);
  let low = 0;
  let high = load<i32>(args, 4);
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (load<i32>(table + 12 * middle, 8) <= tile) low = middle;
    else high = middle;
  }
  const segment = table + 12 * low;
  const chunk = load<i32>(args, 8);
  const start = (tile - load<i32>(segment, 8)) * chunk;
  const count = min(chunk, load<i32>(segment, 4) - start);
  const sum = sumSquaresRow(load<usize>(segment) + (<usize>start << 2), count);
  store<f64>(load<usize>(args, 12) + (<usize>tile << 3), sum);
}

/** Words: 0 partial sums, 1 their number, 2 out. */
function sumOfSquaresCombine(args: usize): void {
  const partials = load<usize>(args);
  const count = load<i32>(args, 4);
  let total: f64 = 0;
  for (let i = 0; i < count; i++) total += load<f64>(partials + (<usize>i << 3));
  store<f32>(load<usize>(args, 8), <f32>total);
}
