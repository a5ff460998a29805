/** Cross entropy of softmax, fused with its gradient. */
import { COUNT_LABELS, CountLabelsWords, SOFTMAX_CROSS_ENTROPY, SoftmaxCrossEntropyWords } from '../generated/commands';
import { checkIndex } from './faults';
import { exp4 } from './math';
import { loadTail, storeTail, sumLanes } from './simd';

/** Runs tile `tile` of a command of this family. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  switch (opcode) {
    case COUNT_LABELS:
      countLabels(changetype<CountLabelsWords>(args));
      break;
    case SOFTMAX_CROSS_ENTROPY:
      softmaxCrossEntropy(changetype<SoftmaxCrossEntropyWords>(args), tile);
      break;
    default:
      unreachable();
  }
}

function countLabels(words: CountLabelsWords): void {
  const labels = words.labels;
  const out = words.out;
  const rows = words.rows;
  const ignoredLabel = words.ignoredLabel;
  const ignored = i32x4.splat(ignoredLabel);
  let ignoredByLane = i32x4.splat(0);
  let row = 0;
  for (; row + 4 <= rows; row += 4) {
    // A comparison that holds is -1.
    ignoredByLane = i32x4.sub(ignoredByLane, i32x4.eq(v128.load(labels + ((<usize>row) << 2)), ignored));
  }
  let ignoredCount =
    i32x4.extract_lane(ignoredByLane, 0) +
    i32x4.extract_lane(ignoredByLane, 1) +
    i32x4.extract_lane(ignoredByLane, 2) +
    i32x4.extract_lane(ignoredByLane, 3);
  for (; row < rows; row++) ignoredCount += i32(load<i32>(labels + ((<usize>row) << 2)) == ignoredLabel);
  store<f32>(out, <f32>(rows - ignoredCount));
}

function softmaxCrossEntropy(words: SoftmaxCrossEntropyWords, tile: i32): void {
  const logits = words.logits;
  const labels = words.labels;
  const losses = words.losses;
  const scale = words.scale;
  const rows = words.rows;
  const columns = words.columns;
  const ignoredLabel = words.ignoredLabel;
  const rowsPerTile = words.rowsPerTile;
  const rowBytes = (<usize>columns) << 2;
  const end = min(rows, (tile + 1) * rowsPerTile);
  for (let row = tile * rowsPerTile; row < end; row++) {
    const x = logits + <usize>row * rowBytes;
    const label = load<i32>(labels + ((<usize>row) << 2));
    let loss: f32 = 0;
    if (label != ignoredLabel) {
      checkIndex(label, columns);
      const maximum = maximumOf(x, columns);
      const labelLogit = load<f32>(x + ((<usize>label) << 2));
      const sum = scale == 0 ? sumOfExponentials(x, columns, maximum) : storeExponentials(x, columns, maximum);
      loss = <f32>(NativeMath.log(sum) - (<f64>labelLogit - <f64>maximum));
      if (scale != 0) {
        const factor = load<f32>(scale);
        multiply(x, columns, <f32>(<f64>factor / sum));
        const atLabel = x + ((<usize>label) << 2);
        store<f32>(atLabel, load<f32>(atLabel) - factor);
      }
    } else if (scale != 0) {
      memory.fill(x, 0, rowBytes);
    }
    store<f32>(losses + ((<usize>row) << 2), loss);
  }
}

/** NaN when the row holds one. */
function maximumOf(x: usize, columns: i32): f32 {
  let a = f32x4.splat(-Infinity);
  let b = a;
  let c = a;
  let d = a;
  let column = 0;
  for (; column + 16 <= columns; column += 16) {
    a = f32x4.max(a, v128.load(x));
    b = f32x4.max(b, v128.load(x, 16));
    c = f32x4.max(c, v128.load(x, 32));
    d = f32x4.max(d, v128.load(x, 48));
    x += 64;
  }
  for (; column + 4 <= columns; column += 4) {
    a = f32x4.max(a, v128.load(x));
    x += 16;
  }
  if (column < columns) b = f32x4.max(b, loadTail(x, columns - column, f32x4.splat(-Infinity)));
  const four = f32x4.max(f32x4.max(a, b), f32x4.max(c, d));
  const pairs = f32x4.max(four, i32x4.shuffle(four, four, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** `sum(exp(x - maximum))`. */
function sumOfExponentials(x: usize, columns: i32, maximum: f32): f64 {
  const shift = f32x4.splat(maximum);
  let a = f32x4.splat(0);
  let b = a;
  let column = 0;
  for (; column + 8 <= columns; column += 8) {
    a = f32x4.add(a, exp4(f32x4.sub(v128.load(x), shift)));
    b = f32x4.add(b, exp4(f32x4.sub(v128.load(x, 16), shift)));
    x += 32;
  }
  if (column + 4 <= columns) {
    a = f32x4.add(a, exp4(f32x4.sub(v128.load(x), shift)));
    x += 16;
    column += 4;
  }
  if (column < columns) b = f32x4.add(b, exp4(f32x4.sub(loadTail(x, columns - column, f32x4.splat(-Infinity)), shift)));
  return sumLanes(f32x4.add(a, b));
}

/** The same sum, with x replaced by `exp(x - maximum)`. */
function storeExponentials(x: usize, columns: i32, maximum: f32): f64 {
  const shift = f32x4.splat(maximum);
  let a = f32x4.splat(0);
  let b = a;
  let column = 0;
  for (; column + 8 <= columns; column += 8) {
    const first = exp4(f32x4.sub(v128.load(x), shift));
    const second = exp4(f32x4.sub(v128.load(x, 16), shift));
    v128.store(x, first);
    v128.store(x, second, 16);
    a = f32x4.add(a, first);
    b = f32x4.add(b, second);
    x += 32;
  }
  if (column + 4 <= columns) {
    const first = exp4(f32x4.sub(v128.load(x), shift));
    v128.store(x, first);
    a = f32x4.add(a, first);
    x += 16;
    column += 4;
  }
  if (column < columns) {
    const last = exp4(f32x4.sub(loadTail(x, columns - column, f32x4.splat(-Infinity)), shift));
    storeTail(x, last, columns - column);
    b = f32x4.add(b, last);
  }
  return sumLanes(f32x4.add(a, b));
}

function multiply(x: usize, columns: i32, factor: f32): void {
  const factors = f32x4.splat(factor);
  let column = 0;
  for (; column + 16 <= columns; column += 16) {
    v128.store(x, f32x4.mul(v128.load(x), factors));
    v128.store(x, f32x4.mul(v128.load(x, 16), factors), 16);
    v128.store(x, f32x4.mul(v128.load(x, 32), factors), 32);
    v128.store(x, f32x4.mul(v128.load(x, 48), factors), 48);
    x += 64;
  }
  for (; column < columns; column++) {
    store<f32>(x, load<f32>(x) * factor);
    x += 4;
  }
}
