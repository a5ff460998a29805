/** Softmax over rows, its backward, and the logarithm of the sum of exponentials. */
import {
  LOG_SUM_EXP,
  LogSumExpWords,
  SOFTMAX,
  SOFTMAX_BACKWARD,
  SoftmaxBackwardWords,
  SoftmaxWords,
} from '../generated/commands';
import { exp4, log4 } from './math';
import { SUM_BLOCK_BYTES, dotRow, maxRow } from './reduce-row';
import { fullBytes, loadTail, storeTail, sumLanes, tailMask } from './simd';
import { endRow, firstRow } from './tiles';

/** Runs tile `tile` of a command of this family. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  switch (opcode) {
    case SOFTMAX:
      softmax(changetype<SoftmaxWords>(args), tile);
      break;
    case SOFTMAX_BACKWARD:
      softmaxBackward(changetype<SoftmaxBackwardWords>(args), tile);
      break;
    case LOG_SUM_EXP:
      logSumExp(changetype<LogSumExpWords>(args), tile);
      break;
    default:
      unreachable();
  }
}

/**
 * Sum of `e^(x - shift)` over a row; with `keep` (a constant) the powers are written to `out`. Like all long sums, in
 * f32 within blocks and in f64 between them.
 */
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

function softmax(words: SoftmaxWords, tile: i32): void {
  const begin = firstRow(words, tile);
  const end = endRow(words, begin);
  const columns = words.columns;
  const rowBytes = <usize>columns << 2;
  const bytes = fullBytes(columns);
  const rest = columns & 3;
  for (let row = begin; row < end; row++) {
    const x = words.x + <usize>row * rowBytes;
    const out = words.out + <usize>row * rowBytes;
    const sum = powersRow(x, out, f32x4.splat(maxRow(x, columns)), columns, true);
    const inverse = f32x4.splat(<f32>(1.0 / sum));
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.mul(v128.load(out + i), inverse));
    if (rest) storeTail(out + bytes, f32x4.mul(loadTail(out + bytes, rest, inverse), inverse), rest);
  }
}

function softmaxBackward(words: SoftmaxBackwardWords, tile: i32): void {
  const begin = firstRow(words, tile);
  const end = endRow(words, begin);
  const columns = words.columns;
  const rowBytes = <usize>columns << 2;
  const bytes = fullBytes(columns);
  const rest = columns & 3;
  for (let row = begin; row < end; row++) {
    const offset = <usize>row * rowBytes;
    const y = words.y + offset;
    const gradient = words.gradient + offset;
    const out = words.out + offset;
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

/** A row whose largest number is infinite gives that number, or NaN if one is in the row. */
function logSumExp(words: LogSumExpWords, tile: i32): void {
  const begin = firstRow(words, tile);
  const end = endRow(words, begin);
  const columns = words.columns;
  const rowBytes = <usize>columns << 2;
  for (let row = begin; row < end; row++) {
    const x = words.x + <usize>row * rowBytes;
    const largest = maxRow(x, columns);
    const shift = f32x4.splat(isFinite<f32>(largest) ? largest : 0);
    const logarithm = log4(f32x4.splat(<f32>powersRow(x, x, shift, columns, false)));
    v128.store_lane<f32>(words.out + (<usize>row << 2), f32x4.add(shift, logarithm), 0);
  }
}
