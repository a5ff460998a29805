/**
 * Causal grouped-query attention, forward. Keys and values are packed once for each key head; a tile is then a block of
 * queries of one head. It goes over the keys in blocks with a running maximum and sum (Milakov & Gimelshein 2018, Dao
 * et al. 2022), so that scores stay in cache and scratch does not grow with the sequence. Blocks behind the diagonal
 * are never computed.
 */
import { ATTENTION_KEYS, ATTENTION_QUERIES } from '../constants';
import {
  ATTENTION_BACKWARD,
  ATTENTION_COMBINE,
  ATTENTION_FORWARD,
  ATTENTION_PACK,
  AttentionBackwardWords,
  AttentionCombineWords,
  AttentionForwardWords,
  AttentionPackWords,
} from '../generated/commands';
import { backward, combine } from './attention-backward';
import { exp4, log4 } from './math';
import { clear, EDGE_BYTES, multiply, packColumns, packedBytes, PANEL_BYTES, packRows, STRIP } from './matmul-gemm';
import { maxLanes, storeTail, sumLanes } from './simd';

/** Bytes of a row of scores. */
const SCORES_ROW: i32 = ATTENTION_KEYS << 2;

/** Runs tile `tile` of a command of this family. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  switch (opcode) {
    case ATTENTION_PACK:
      pack(changetype<AttentionPackWords>(args), tile);
      break;
    case ATTENTION_FORWARD:
      forward(changetype<AttentionForwardWords>(args), tile, scratch);
      break;
    case ATTENTION_BACKWARD:
      backward(changetype<AttentionBackwardWords>(args), tile, scratch);
      break;
    case ATTENTION_COMBINE:
      combine(changetype<AttentionCombineWords>(args), tile);
      break;
    default:
      unreachable();
  }
}

/** A tile is one key head of one sequence; keys are scaled. */
function pack(words: AttentionPackWords, tile: i32): void {
  const sequence = words.sequence;
  const keyHeads = words.keyHeads;
  const headDim = words.headDim;
  const valueDim = words.valueDim;
  const token = (tile / keyHeads) * sequence;
  const keyHead = tile % keyHeads;
  const k = words.k + (((token * keyHeads + keyHead) * headDim) << 2);
  const v = words.v + (((token * keyHeads + keyHead) * valueDim) << 2);
  const keyBytes = packedBytes(headDim, sequence);
  const packed = words.packed + tile * (keyBytes + packedBytes(sequence, valueDim));
  packColumns(k, (keyHeads * headDim) << 2, headDim, sequence, packed, headDim * PANEL_BYTES);
  scaleRow(packed, keyBytes >> 2, words.scale);
  packRows(v, (keyHeads * valueDim) << 2, sequence, valueDim, packed + keyBytes, sequence * PANEL_BYTES);
}

/** A tile is a block of queries of one head. */
function forward(words: AttentionForwardWords, tile: i32, scratch: usize): void {
  const sequence = words.sequence;
  const heads = words.heads;
  const keyHeads = words.keyHeads;
  const headDim = words.headDim;
  const valueDim = words.valueDim;
  const queryTiles = words.queryTiles;
  const batchHead = tile / queryTiles;
  const batch = batchHead / heads;
  const head = batchHead % heads;
  const first = (tile % queryTiles) * ATTENTION_QUERIES;
  const rows = min(ATTENTION_QUERIES, sequence - first);
  const token = (batch * sequence + first) * heads + head;
  const q = words.q + ((token * headDim) << 2);
  const out = words.out + ((token * valueDim) << 2);
  const logSumExp = words.logSumExp + ((batchHead * sequence + first) << 2);
  const keyBytes = packedBytes(headDim, sequence);
  const k =
    words.packed + (batch * keyHeads + (head * keyHeads) / heads) * (keyBytes + packedBytes(sequence, valueDim));
  const v = k + keyBytes;
  const queryRow = (heads * headDim) << 2;
  const outRow = (heads * valueDim) << 2;

  const scores = scratch + EDGE_BYTES;
  const maxima = scores + STRIP * SCORES_ROW;
  const sums = maxima + (ATTENTION_QUERIES << 2);
  for (let r = 0; r < rows; r++) {
    store<f32>(maxima + (r << 2), -f32.MAX_VALUE);
    store<f32>(sums + (r << 2), 0);
  }
  for (let key = 0; key < first + rows; key += ATTENTION_KEYS) {
    const keyColumns = k + (key >> 3) * headDim * PANEL_BYTES;
    const valueRows = v + key * PANEL_BYTES;
    for (let r = 0; r < rows; r += STRIP) {
      const strip = min(STRIP, rows - r);
      const keys = min(ATTENTION_KEYS, first + r + strip - key);
      if (keys <= 0) continue;
      const query = q + r * queryRow;
      const to = out + r * outRow;
      // Whole panels: what stands behind the last key is never read.
      multiply(
        strip,
        (keys + 7) & ~7,
        headDim,
        query,
        queryRow,
        keyColumns,
        headDim * PANEL_BYTES,
        scores,
        SCORES_ROW,
        false,
        scratch,
      );
      for (let s = 0; s < strip; s++) {
        const shrink = softmaxRow(
          scores + s * SCORES_ROW,
          first + r + s + 1 - key,
          keys,
          maxima + ((r + s) << 2),
          sums + ((r + s) << 2),
        );
        if (key > 0 && shrink != 1) scaleRow(to + s * outRow, valueDim, shrink);
      }
      multiply(
        strip,
        valueDim,
        keys,
        scores,
        SCORES_ROW,
        valueRows,
        sequence * PANEL_BYTES,
        to,
        outRow,
        key > 0,
        scratch,
      );
    }
  }
  for (let r = 0; r < rows; r++) scaleRow(out + r * outRow, valueDim, 1 / load<f32>(sums + (r << 2)));
  for (let r = 0; r < rows; r += 4) {
    const value = f32x4.add(v128.load(maxima + (r << 2)), log4(v128.load(sums + (r << 2))));
    if (r + 4 <= rows) v128.store(logSumExp + (r << 2), value);
    else storeTail(logSumExp + (r << 2), value, rows - r);
  }
}

/**
 * Turns scores into `exp(score - maximum)` with the maximum of all blocks so far; `keys` scores are there, of which the
 * first `visible` count and the others become 0. Updates maximum and sum; returns what earlier results shrink by.
 */
function softmaxRow(scores: usize, visible: i32, keys: i32, maximum: usize, sum: usize): f32 {
  visible = max(0, min(visible, keys));
  const end = scores + (((visible + 3) & ~3) << 2);
  for (let hidden = scores + (visible << 2); hidden < end; hidden += 4) store<f32>(hidden, -Infinity);
  const before = load<f32>(maximum);
  let highest = f32x4.splat(before);
  // A NaN may be lost here, but not in the sum.
  for (let at = scores; at < end; at += 16) highest = f32x4.pmax(highest, v128.load(at));
  const after = maxLanes(highest);
  const shift = f32x4.splat(after);
  for (let at = scores; at < end; at += 16) v128.store(at, exp4(f32x4.sub(v128.load(at), shift)));
  // Not in the loop above, where the exponential needs all registers.
  let total = f32x4.splat(0);
  for (let at = scores; at < end; at += 16) total = f32x4.add(total, v128.load(at));
  clear(end, (keys << 2) - <i32>(end - scores));
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
