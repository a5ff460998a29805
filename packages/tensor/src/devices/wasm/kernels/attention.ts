/** Records causal grouped-query attention. */
import type { AttentionKernels } from '../../kernels/attention.ts';
import { ATTENTION_KEYS, ATTENTION_QUERIES } from '../constants.ts';
import type { Recorder } from '../recorder.ts';
import { packedBytes } from './matmul-tiling.ts';

/** Fewer tiles than this and the backward cuts the keys of a head into runs. */
const WANTED_TILES = 16;

export function attentionKernels(recorder: Recorder): AttentionKernels {
  return {
    attention({ q, k, v, out, logSumExp, batch, sequence, heads, keyHeads, headDim, valueDim, scale }): void {
      const queryTiles = Math.ceil(sequence / ATTENTION_QUERIES);
      const tiles = batch * heads * queryTiles;
      if (tiles === 0) return;
      const bytes = packedBytes(headDim, sequence) + packedBytes(sequence, valueDim);
      const packed = recorder.temporary(batch * keyHeads * bytes);
      const words = { k, v, packed, sequence, keyHeads, headDim, valueDim, scale };
      recorder.record('ATTENTION_PACK', batch * keyHeads, words);
      recorder.record('ATTENTION_FORWARD', tiles, {
        q,
        packed,
        out,
        logSumExp,
        sequence,
        heads,
        keyHeads,
        headDim,
        valueDim,
        queryTiles,
      });
      recorder.release(packed);
    },

    attentionBackward(a): void {
      const { batch, sequence, heads, keyHeads, headDim, valueDim, scale, gradQ } = a;
      const keyTiles = Math.ceil(sequence / ATTENTION_KEYS);
      if (batch * heads * keyTiles === 0) return;
      // Depends on shapes alone, since it decides the order of the sums in dQ.
      const tilesOfRun = Math.ceil(keyTiles / Math.ceil(WANTED_TILES / (batch * keyHeads)));
      const runs = Math.ceil(keyTiles / tilesOfRun);
      const runKeys = tilesOfRun * ATTENTION_KEYS;
      const gradQBytes = 4 * batch * sequence * heads * headDim;
      const partial = runs > 1 ? recorder.temporary((runs - 1) * gradQBytes) : null;
      recorder.record('ATTENTION_BACKWARD', batch * keyHeads * runs, {
        q: a.q,
        k: a.k,
        v: a.v,
        out: a.out,
        logSumExp: a.logSumExp,
        gradient: a.gradient,
        gradQ,
        gradK: a.gradK,
        gradV: a.gradV,
        partial,
        sequence,
        heads,
        keyHeads,
        headDim,
        valueDim,
        scale,
        runs,
        runKeys,
        gradQBytes,
      });
      if (partial === null) return;
      const queryTiles = Math.ceil(sequence / ATTENTION_QUERIES);
      recorder.record('ATTENTION_COMBINE', batch * queryTiles, {
        gradQ,
        partial,
        sequence,
        rowElements: heads * headDim,
        runs,
        runKeys,
        gradQBytes,
        queryTiles,
      });
      recorder.release(partial);
    },
  };
}
