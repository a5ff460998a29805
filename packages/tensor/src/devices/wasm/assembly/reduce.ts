/**
 * Reductions. Sums stay accurate at any length: a block of up to 1024 numbers is summed in 16 lanes of f32, and the
 * blocks' sums in f64; reductions over a strided axis go in blocks whose results are reduced again.
 */
import { OP_MAX, OP_SUM } from '../constants';
import {
  REDUCE_BLOCKS,
  REDUCE_ROWS,
  ReduceBlocksWords,
  ReduceRowsWords,
  SUM_OF_SQUARES_COMBINE,
  SUM_OF_SQUARES_PARTIAL,
  SumOfSquaresCombineWords,
  SumOfSquaresPartialWords,
  SumOfSquaresSegment,
} from '../generated/commands';
import { sumRow, sumSquaresRow } from './reduce-row';
import { loadPart, loadTail, storeTail } from './simd';

/** Runs tile `tile` of a command of this family. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  switch (opcode) {
    case REDUCE_ROWS:
      reduceRows(changetype<ReduceRowsWords>(args), tile);
      break;
    case REDUCE_BLOCKS:
      reduceBlocks(changetype<ReduceBlocksWords>(args), tile);
      break;
    case SUM_OF_SQUARES_PARTIAL:
      sumOfSquaresPartial(changetype<SumOfSquaresPartialWords>(args), tile);
      break;
    case SUM_OF_SQUARES_COMBINE:
      sumOfSquaresCombine(changetype<SumOfSquaresCombineWords>(args));
      break;
    default:
      unreachable();
  }
}

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

/** Reduces the last axis of x `[rows, length]`, block after block of `blockLength`: out `[rows, blocks]`. */
function reduceRows(words: ReduceRowsWords, tile: i32): void {
  const x = words.x;
  const out = words.out;
  const op = words.op;
  const unitsPerTile = words.unitsPerTile;
  const blocks = words.blocks;
  const length = words.length;
  const blockLength = words.blockLength;
  const begin = tile * unitsPerTile;
  const end = min(begin + unitsPerTile, words.units);
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

/** Reduces the middle axis of x `[outer, length, inner]` in blocks: out `[outer, blocks, inner]`. */
function reduceBlocks(words: ReduceBlocksWords, tile: i32): void {
  const op = words.op;
  const unitsPerTile = words.unitsPerTile;
  const blocks = words.blocks;
  const length = words.length;
  const blockLength = words.blockLength;
  const inner = words.inner;
  const pieces = words.pieces;
  const pieceColumns = words.pieceColumns;
  const begin = tile * unitsPerTile;
  const end = min(begin + unitsPerTile, words.units);
  const stride = <usize>inner << 2;
  for (let unit = begin; unit < end; unit++) {
    const block = unit / pieces;
    const column = (unit - block * pieces) * pieceColumns;
    const columns = min(pieceColumns, inner - column);
    const outer = block / blocks;
    const start = (block - outer * blocks) * blockLength;
    const rows = min(blockLength, length - start);
    const x = words.x + (<usize>outer * <usize>length + <usize>start) * stride + (<usize>column << 2);
    const out = words.out + <usize>block * stride + (<usize>column << 2);
    if (op == OP_SUM) reduceBlock<Sum>(x, out, rows, stride, columns);
    else if (op == OP_MAX) reduceBlock<Max>(x, out, rows, stride, columns);
    else reduceBlock<Min>(x, out, rows, stride, columns);
  }
}

/** The sum of squares of one chunk, as f64. */
function sumOfSquaresPartial(words: SumOfSquaresPartialWords, tile: i32): void {
  const table = words.table;
  let low = 0;
  let high = words.segments;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (segmentAt(table, middle).firstTile <= tile) low = middle;
    else high = middle;
  }
  const segment = segmentAt(table, low);
  const chunk = words.chunk;
  const start = (tile - segment.firstTile) * chunk;
  const count = min(chunk, segment.count - start);
  const sum = sumSquaresRow(segment.x + (<usize>start << 2), count);
  store<f64>(words.partials + (<usize>tile << 3), sum);
}

@inline
function segmentAt(table: usize, place: i32): SumOfSquaresSegment {
  return changetype<SumOfSquaresSegment>(table + offsetof<SumOfSquaresSegment>() * place);
}

function sumOfSquaresCombine(words: SumOfSquaresCombineWords): void {
  const partials = words.partials;
  const count = words.count;
  let total: f64 = 0;
  for (let i = 0; i < count; i++) total += load<f64>(partials + (<usize>i << 3));
  store<f32>(words.out, <f32>total);
}
