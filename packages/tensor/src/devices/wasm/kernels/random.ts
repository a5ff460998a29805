/** Records the random-number kernel. */
import type { RandomKernels } from '../../kernels/random.ts';
import type { Recorder } from '../recorder.ts';

/** Groups of 16 numbers (four blocks of the counter) a tile: some tens of microseconds. */
const GROUPS_PER_TILE = 512;

export function randomKernels(recorder: Recorder): RandomKernels {
  return {
    random({ out, distribution, count, keyLow, keyHigh }) {
      recorder.record(
        distribution === 'normal' ? 'RANDOM_NORMAL' : 'RANDOM_UNIFORM',
        Math.ceil(count / (16 * GROUPS_PER_TILE)),
        { out, count, keyLow, keyHigh, groupsPerTile: GROUPS_PER_TILE },
      );
    },
  };
}
