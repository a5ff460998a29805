/**
 * Gradients of causal grouped-query attention. A tile is a run of keys of one key head: for every block of its keys and
 * every block of queries of the heads that read them, probabilities come back from the scores and `logSumExp`, and with
 * `delta = sum(gradient * out)` over a row,
 *
 *     dV += P^T dO,   dS = P * (dO V^T - delta) * scale,   dK += dS^T Q,   dQ += dS K.
 *
 * The keys of a tile are its own. A query is reached from several tiles when a key head is cut into runs: every run but
 * the first then writes its own dQ, and `combine` adds them in order.
 */
import { ATTENTION_KEYS, ATTENTION_QUERIES } from '../constants';
import { AttentionBackwardWords, AttentionCombineWords } from '../generated/commands';
import { exp4 } from './math';
import {
  clear,
  EDGE_BYTES,
  multiply,
  packColumns,
  packedBytes,
  PANEL_BYTES,
  packRows,
  STRIP,
  transpose,
} from './matmul-gemm';
import { madd, sumLanes } from './simd';

/** Bytes of a row of a block of probabilities turned to `[keys, queries]`. */
const TURNED_ROW: i32 = ATTENTION_QUERIES << 2;

/** The gradients of a run of keys. */
export function backward(words: AttentionBackwardWords, tile: i32, scratch: usize): void {
  const sequence = words.sequence;
  const heads = words.heads;
  const keyHeads = words.keyHeads;
  const headDim = words.headDim;
  const valueDim = words.valueDim;
  const scale = words.scale;
  const runs = words.runs;
  const runKeys = words.runKeys;
  const part = tile % runs;
  const batch = tile / runs / keyHeads;
  const keyHead = (tile / runs) % keyHeads;
  const start = part * runKeys;
  const end = min(start + runKeys, sequence);
  const gradQ = part == 0 ? words.gradQ : words.partial + (part - 1) * words.gradQBytes;

  const queryRow = (heads * headDim) << 2;
  const outRow = (heads * valueDim) << 2;
  const keyRow = (keyHeads * headDim) << 2;
  const valueRow = (keyHeads * valueDim) << 2;

  const p = scratch + EDGE_BYTES;
  const dS = p + ((ATTENTION_QUERIES * ATTENTION_KEYS) << 2);
  const turned = dS + ((ATTENTION_QUERIES * ATTENTION_KEYS) << 2);
  const keyColumns = turned + ((ATTENTION_QUERIES * ATTENTION_KEYS) << 2);
  const keyRows = keyColumns + packedBytes(headDim, ATTENTION_KEYS);
  const valueColumns = keyRows + packedBytes(ATTENTION_KEYS, headDim);
  const packed = valueColumns + packedBytes(valueDim, ATTENTION_KEYS);

  for (let key = start; key < end; key += ATTENTION_KEYS) {
    const keysHere = min(ATTENTION_KEYS, end - key);
    const keyToken = (batch * sequence + key) * keyHeads + keyHead;
    const k = words.k + ((keyToken * headDim) << 2);
    const v = words.v + ((keyToken * valueDim) << 2);
    const gradK = words.gradK + ((keyToken * headDim) << 2);
    const gradV = words.gradV + ((keyToken * valueDim) << 2);
    packColumns(k, keyRow, headDim, keysHere, keyColumns, headDim * PANEL_BYTES);
    packRows(k, keyRow, keysHere, headDim, keyRows, keysHere * PANEL_BYTES);
    packColumns(v, valueRow, valueDim, keysHere, valueColumns, valueDim * PANEL_BYTES);
    for (let j = 0; j < keysHere; j++) {
      clear(gradK + j * keyRow, headDim << 2);
      clear(gradV + j * valueRow, valueDim << 2);
    }
    for (let head = 0; head < heads; head++) {
      if ((head * keyHeads) / heads != keyHead) continue;
      for (let query = key; query < sequence; query += ATTENTION_QUERIES) {
        const rows = min(ATTENTION_QUERIES, sequence - query);
        const keys = min(keysHere, query + rows - key);
        const token = (batch * sequence + query) * heads + head;
        const q = words.q + ((token * headDim) << 2);
        const out = words.out + ((token * valueDim) << 2);
        const logSumExp = words.logSumExp + (((batch * heads + head) * sequence + query) << 2);
        const gradient = words.gradient + ((token * valueDim) << 2);
        const row = ATTENTION_KEYS << 2;
        const to = gradQ + ((token * headDim) << 2);
        for (let r = 0; r < rows; r += STRIP) {
          const strip = min(STRIP, rows - r);
          const seen = min(keys, query + r + strip - key);
          const scores = p + r * row;
          const slopes = dS + r * row;
          const x = q + r * queryRow;
          const dO = gradient + r * outRow;
          // Whole panels: what stands behind the last key is overwritten below.
          const wide = (seen + 7) & ~7;
          multiply(strip, wide, headDim, x, queryRow, keyColumns, headDim * PANEL_BYTES, scores, row, false, scratch);
          multiply(
            strip,
            wide,
            valueDim,
            dO,
            outRow,
            valueColumns,
            valueDim * PANEL_BYTES,
            slopes,
            row,
            false,
            scratch,
          );
          for (let s = 0; s < strip; s++) {
            differentiateRow(
              scores + s * row,
              slopes + s * row,
              query + r + s + 1 - key,
              keys,
              scale,
              load<f32>(logSumExp + ((r + s) << 2)),
              dot(dO + s * outRow, out + (r + s) * outRow, valueDim),
            );
          }
          const dQ = to + r * queryRow;
          multiply(
            strip,
            headDim,
            seen,
            slopes,
            row,
            keyRows,
            keysHere * PANEL_BYTES,
            dQ,
            queryRow,
            key > start,
            scratch,
          );
        }

        const panel = rows * PANEL_BYTES;
        transpose(p, row, rows, keys, turned, TURNED_ROW);
        packRows(gradient, outRow, rows, valueDim, packed, panel);
        addTurned(keys, query - key, rows, turned, packed, panel, valueDim, gradV, valueRow, scratch);
        transpose(dS, row, rows, keys, turned, TURNED_ROW);
        packRows(q, queryRow, rows, headDim, packed, panel);
        addTurned(keys, query - key, rows, turned, packed, panel, headDim, gradK, keyRow, scratch);
      }
    }
  }
}

/**
 * `to += turned x` for turned `[keys, queries]` and x `[queries, n]`, packed. Query i sees key j when `i + ahead >= j`;
 * earlier ones are skipped, their elements being 0.
 */
function addTurned(
  keys: i32,
  ahead: i32,
  queries: i32,
  turned: usize,
  x: usize,
  xPanel: i32,
  n: i32,
  to: usize,
  toRow: i32,
  scratch: usize,
): void {
  for (let j = 0; j < keys; j += STRIP) {
    const first = max(0, j - ahead);
    multiply(
      min(STRIP, keys - j),
      n,
      queries - first,
      turned + j * TURNED_ROW + (first << 2),
      TURNED_ROW,
      x + first * PANEL_BYTES,
      xPanel,
      to + j * toRow,
      toRow,
      true,
      scratch,
    );
  }
}

/**
 * Of one row: p from scores to `exp(scale * score - logSumExp)`, dS from `dO V^T` to the gradient of the unscaled
 * scores. `keys` of them are there, the first `visible` count and the others become 0.
 */
function differentiateRow(p: usize, dS: usize, visible: i32, keys: i32, scale: f32, logSumExp: f32, delta: f32): void {
  visible = min(visible, keys);
  const end = ((visible + 3) & ~3) << 2;
  const factor = f32x4.splat(scale);
  const shift = f32x4.splat(logSumExp);
  const mean = f32x4.splat(delta);
  for (let at = 0; at < end; at += 16) {
    const probability = exp4(f32x4.sub(f32x4.mul(v128.load(p + at), factor), shift));
    v128.store(p + at, probability);
    v128.store(dS + at, f32x4.mul(f32x4.mul(probability, f32x4.sub(v128.load(dS + at), mean)), factor));
  }
  const hidden = (keys - visible) << 2;
  clear(p + (visible << 2), hidden);
  clear(dS + (visible << 2), hidden);
}

function dot(x: usize, y: usize, count: i32): f32 {
  const end = count << 2;
  let sum = f32x4.splat(0);
  let at = 0;
  for (; at + 16 <= end; at += 16) sum = madd(v128.load(x + at), v128.load(y + at), sum);
  let total = sumLanes(sum);
  for (; at < end; at += 4) total += load<f32>(x + at) * load<f32>(y + at);
  return total;
}

/** Adds the dQ of the second run and so on to that of the first. */
export function combine(words: AttentionCombineWords, tile: i32): void {
  const sequence = words.sequence;
  const row = words.rowElements << 2;
  const runs = words.runs;
  const runKeys = words.runKeys;
  const bytes = words.gradQBytes;
  const tiles = words.queryTiles;
  const first = (tile % tiles) * ATTENTION_QUERIES;
  const last = min(first + ATTENTION_QUERIES, sequence);
  for (let query = first; query < last; query++) {
    const place = ((tile / tiles) * sequence + query) * row;
    for (let part = 1; part < runs && part * runKeys <= query; part++) {
      const x = words.partial + (part - 1) * bytes + place;
      const to = words.gradQ + place;
      let at = 0;
      for (; at + 16 <= row; at += 16) v128.store(to + at, f32x4.add(v128.load(to + at), v128.load(x + at)));
      for (; at < row; at += 4) store<f32>(to + at, load<f32>(to + at) + load<f32>(x + at));
    }
  }
}
