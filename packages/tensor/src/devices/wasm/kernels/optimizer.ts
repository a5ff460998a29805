/** Records the optimiser's kernels. */
import { roundingBits } from '../../../packed-moments.ts';
import type { AdamWStep, OptimizerKernels } from '../../kernels/optimizer.ts';
import type { Commands } from '../commands/index.ts';
import type { Words } from '../commands/words.ts';
import type { Recorder } from '../recorder.ts';

/** A tile moves 28 bytes an element, or 20: some twenty microseconds. */
const ELEMENTS_PER_TILE = 8192;

export function optimizerKernels(recorder: Recorder): OptimizerKernels {
  return {
    adamW({ segments, ...settings }) {
      const { rows, tiles } = cut(segments, settings);
      if (tiles === 0) return;
      const table = recorder.table('ADAM_W_SEGMENT', rows);
      recorder.record('ADAM_W', tiles, { table, segments: rows.length, ...numbersOf(settings) });
      recorder.release(table);
    },

    adamWPacked({ segments, key, ...settings }) {
      const { rows, tiles } = cut(segments, settings);
      if (tiles === 0) return;
      const seeded = rows.map(({ start, ...row }) => ({ ...row, random: roundingBits(start, key) }));
      const table = recorder.table('PACKED_ADAM_W_SEGMENT', seeded);
      recorder.record('PACKED_ADAM_W', tiles, { table, segments: rows.length, ...numbersOf(settings) });
      recorder.release(table);
    },
  };
}

/** The segments that are not empty as rows of a table, and the tiles of all. */
function cut<S extends { readonly count: number; readonly weightDecay: number }>(
  segments: readonly S[],
  { learningRate }: AdamWStep,
): { rows: (Omit<S, 'weightDecay'> & { kept: number; firstTile: number })[]; tiles: number } {
  let tiles = 0;
  const rows = segments
    .filter(({ count }) => count > 0)
    .map(({ weightDecay, ...segment }) => {
      const row = { ...segment, kept: 1 - learningRate * weightDecay, firstTile: tiles };
      tiles += Math.ceil(segment.count / ELEMENTS_PER_TILE);
      return row;
    });
  return { rows, tiles };
}

/** What the command is told of a step. */
function numbersOf({
  gradientScale,
  learningRate,
  beta1,
  beta2,
  epsilon,
  step,
}: AdamWStep): Omit<Words<Commands['ADAM_W']>, 'table' | 'segments'> {
  return {
    elementsPerTile: ELEMENTS_PER_TILE,
    gradientScale,
    beta1,
    rest1: 1 - beta1,
    beta2,
    rest2: 1 - beta2,
    correction2: 1 / (1 - beta2 ** step),
    stepSize: learningRate / (1 - beta1 ** step),
    epsilon,
  };
}
