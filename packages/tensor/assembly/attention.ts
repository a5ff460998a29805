/**
 * Causal grouped-query attention, forward. Keys and values are packed once for each key head; a tile is then a block of
 * queries of one head. It goes over the keys in blocks with a running maximum and sum (Milakov & Gimelshein 2018, Dao et
 * al. 2022), so that scores stay in cache and scratch does not grow with the sequence. Blocks behind the diagonal are
 * never computed.
 */
import { backward, combine } from './attention-backward';
import { EDGE_BYTES, multiply, packColumns, packedBytes, PANEL_BYTES, packRows } from './gemm';
import { exp4, log4 } from './math';
import { maxLanes, sumLanes } from './simd';
import {
  ATTENTION_BACKWARD,
  ATTENTION_COMBINE,
  ATTENTION_FORWARD,
  ATTENTION_KEYS,
  ATTENTION_PACK,
  ATTENTION_QUERIES,
} from '../src/devices/wasm/opcodes';

/** Runs tile `tile` of kernel `kernel` of this family. */
export function run(kernel: i32, args: usize, tile: i32, scratch: usize): void {
  if (kernel == (ATTENTION_PACK & 255)) pack(args, tile);
  else if (kernel == (ATTENTION_FORWARD & 255)) forward(args, tile, scratch);
  else if (kernel == (ATTENTION_BACKWARD & 255)) backward(args, tile, scratch);
  else if (kernel == (ATTENTION_COMBINE & 255)) combine(args, tile);
}

/** Words: k, v, packed, sequence, keyHeads, headDim, valueDim. A tile is one key head of one sequence. */
function pack(args: usize, tile: i32): void {
  const sequence = load<i32>(args, 12);
  const keyHeads = load<i32>(args, 16);
  const headDim = load<i32>(args, 20);
  const valueDim = load<i32>(args, 24);
  const token = (tile / keyHeads) * sequence;
  const keyHead = tile % keyHeads;
  const k = load<usize>(args) + (((token * keyHeads + keyHead) * headDim) << 2);
  const v = load<usize>(args, 4) + (((token * keyHeads + keyHead) * valueDim) << 2);
  const keyBytes = packedBytes(headDim, sequence);
  const packed = load<usize>(args, 8) + tile * (keyBytes + packedBytes(sequence, valueDim));
  packColumns(k, (keyHeads * headDim) << 2, headDim, sequence, packed);
  packRows(v, (keyHeads * valueDim) << 2, sequence, valueDim, packed + keyBytes);
}

/** Words: q, packed, out, logSumExp, sequence, heads, keyHeads, headDim, valueDim, scale, tiles along the sequence. */
function forward(args: usize, tile: i32, scratch: usize): void {
  const sequence = load<i32>(args, 16);
  const heads = load<i32>(args, 20);
  const keyHeads = load<i32>(args, 24);
  const headDim = load<i32>(args, 28);
  const valueDim = load<i32>(args, 32);
  const scale = load<f32>(args, 36);
  const queryTiles = load<i32>(args, 40);
  const batchHead = tile / queryTiles;
  const batch = batchHead / heads;
  const head = batchHead % heads;
  const first = (tile % queryTiles) * ATTENTION_QUERIES;
  const rows = min(ATTENTION_QUERIES, sequence - first);
  const token = (batch * sequence + first) * heads + head;
  const q = load<usize>(args) + ((token * headDim) << 2);
  const out = load<usize>(args, 8) + ((token * valueDim) << 2);
  const logSumExp = load<usize>(args, 12) + ((batchHead * sequence + first) << 2);
  const keyBytes = packedBytes(headDim, sequence);
  const k =
    load<usize>(args, 4) +
    (batch * keyHeads + (head * keyHeads) / heads) * (keyBytes + packedBytes(sequence, valueDim));
  const v = k + keyBytes;
  const outRow = (heads * valueDim) << 2;

  const scores = scratch + EDGE_BYTES;
  const maxima = scores + ((ATTENTION_QUERIES * ATTENTION_KEYS) << 2);
  const sums = maxima + (ATTENTION_QUERIES << 2);
  for (let r = 0; r < rows; r++) {
    store<f32>(maxima + (r << 2), -f32.MAX_VALUE);
    store<f32>(sums + (r << 2), 0);
  }
  for (let key = 0; key < first + rows; key += ATTENTION_KEYS) {
    const keys = min(ATTENTION_KEYS, first + rows - key);
    const keyPanels = k + (key >> 3) * headDim * PANEL_BYTES;
    multiply(
      rows,
      keys,
      headDim,
      q,
      (heads * headDim) << 2,
      keyPanels,
      headDim * PANEL_BYTES,
      scores,
      ATTENTION_KEYS << 2,
      false,
      scratch,
    );
    for (let r = 0; r < rows; r++) {
      const shrink = softmaxRow(
        scores + ((r * ATTENTION_KEYS) << 2),
        first + r + 1 - key,
        keys,
        scale,
        maxima + (r << 2),
        sums + (r << 2),
      );
      if (key > 0 && shrink != 1) scaleRow(out + r * outRow, valueDim, shrink);
    }
    multiply(
      rows,
      valueDim,
      keys,
      scores,
      ATTENTION_KEYS << 2,
      v + key * PANEL_BYTES,
      sequence * PANEL_BYTES,
      out,
      outRow,
      key > 0,
      scratch,
    );
  }
  for (let r = 0; r < rows; r++) {
    const sum = load<f32>(sums + (r << 2));
    scaleRow(out + r * outRow, valueDim, 1 / sum);
    store<f32>(logSumExp + (r << 2), load<f32>(maxima + (r << 2)) + f32x4.extract_lane(log4(f32x4.splat(sum)), 0));
  }
}

/**
 * Turns scores into `exp(scale * score - maximum)` with the maximum of all blocks so far; `keys` scores are there, of which
 * the first `visible` count and the others become 0. Updates maximum and sum; returns what earlier results shrink by.
 */
function softmaxRow(scores: usize, visible: i32, keys: i32, scale: f32, maximum: usize, sum: usize): f32 {
  visible = max(0, min(visible, keys));
  const whole = scores + ((visible & ~3) << 2);
  const end = scores + (((visible + 3) & ~3) << 2);
  const factor = f32x4.splat(scale);
  const before = load<f32>(maximum);
  let highest = f32x4.splat(before);
  for (let at = scores; at < end; at += 16) {
    let x = f32x4.mul(v128.load(at), factor);
    v128.store(at, x);
    if (at == whole) {
      for (let hidden = scores + (visible << 2); hidden < end; hidden += 4) store<f32>(hidden, -Infinity);
      x = v128.load(at);
    }
    highest = f32x4.max(highest, x);
  }
  const after = maxLanes(highest);
  const shift = f32x4.splat(after);
  let total = f32x4.splat(0);
  for (let at = scores; at < end; at += 16) {
    const p = exp4(f32x4.sub(v128.load(at), shift));
    v128.store(at, p);
    total = f32x4.add(total, p);
  }
  const hidden = (keys << 2) - <i32>(end - scores);
  if (hidden > 0) memory.fill(end, 0, hidden);
  const shrink = f32x4.extract_lane(exp4(f32x4.splat(before - after)), 0);
  store<f32>(maximum, after);
  store<f32>(sum, load<f32>(sum) * shrink + sumLanes(total));
  return shrink;
}

function scaleRow(x: usize, count: i32, factor: f32): void {
  const factors = f32x4.splat(factor);
  const end = x + (count << 2);
  let at = x;
  for (; at + 16 <= end; at += 16) v128.store(at, f32x4.mul(v128.load(at), factors));
  for (; at < end; at += 4) store<f32>(at, load<f32>(at) * factor);
}
