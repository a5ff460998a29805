/** Records causal grouped-query attention. */
import type { Kernels } from '../../kernels.ts';
import {
  ATTENTION_BACKWARD,
  ATTENTION_COMBINE,
  ATTENTION_FORWARD,
  ATTENTION_KEYS,
  ATTENTION_PACK,
  ATTENTION_QUERIES,
} from '../opcodes.ts';
import { floatBits, type Recorder } from '../recorder.ts';
import { packedBytes } from './tiling.ts';

/** Fewer tiles than this and the backward cuts the keys of a head into runs. */
const WANTED_TILES = 16;

export function attentionKernels(recorder: Recorder): Pick<Kernels, 'attention' | 'attentionBackward'> {
  return {
    attention({ q, k, v, out, logSumExp, batch, sequence, heads, keyHeads, headDim, valueDim, scale }): void {
      const queryTiles = Math.ceil(sequence / ATTENTION_QUERIES);
      const tiles = batch * heads * queryTiles;
      if (tiles === 0) return;
      const bytes = packedBytes(headDim, sequence) + packedBytes(sequence, valueDim);
      const packed = recorder.temporary(batch * keyHeads * bytes);
      recorder.record(ATTENTION_PACK, batch * keyHeads, [
        recorder.address(k),
        recorder.address(v),
        packed,
        sequence,
        keyHeads,
        headDim,
        valueDim,
        floatBits(scale),
      ]);
      recorder.record(ATTENTION_FORWARD, tiles, [
        recorder.address(q),
        packed,
        recorder.address(out),
        recorder.address(logSumExp),
        sequence,
        heads,
        keyHeads,
        headDim,
        valueDim,
        queryTiles,
      ]);
      recorder.release(packed);
    },

    attentionBackward(a): void {
      const { batch, sequence, heads, keyHeads, headDim, valueDim } = a;
      const keyTiles = Math.ceil(sequence / ATTENTION_KEYS);
      if (batch * heads * keyTiles === 0) return;
      // Depends on shapes alone, since it decides the order of the sums in dQ.
      const tilesOfRun = Math.ceil(keyTiles / Math.ceil(WANTED_TILES / (batch * keyHeads)));
      const runs = Math.ceil(keyTiles / tilesOfRun);
      const runKeys = tilesOfRun * ATTENTION_KEYS;
      const bytes = 4 * batch * sequence * heads * headDim;
      const partial = runs > 1 ? recorder.temporary((runs - 1) * bytes) : 0;
      recorder.record(ATTENTION_BACKWARD, batch * keyHeads * runs, [
        recorder.address(a.q),
        recorder.address(a.k),
        recorder.address(a.v),
        recorder.address(a.out),
        recorder.address(a.logSumExp),
        recorder.address(a.gradient),
        recorder.address(a.gradQ),
        recorder.address(a.gradK),
        recorder.address(a.gradV),
        partial,
        sequence,
        heads,
        keyHeads,
        headDim,
        valueDim,
        floatBits(a.scale),
        runs,
        runKeys,
        bytes,
      ]);
      if (runs === 1) return;
      const queryTiles = Math.ceil(sequence / ATTENTION_QUERIES);
      recorder.record(ATTENTION_COMBINE, batch * queryTiles, [
        recorder.address(a.gradQ),
        partial,
        sequence,
        heads * headDim,
        runs,
        runKeys,
        bytes,
        queryTiles,
      ]);
      recorder.release(partial);
    },
  };
}
