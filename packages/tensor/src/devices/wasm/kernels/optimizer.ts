/** Records the optimiser's kernels. */
import { roundingBits } from '../../../packed-moments.ts';
import type { AdamWStep, OptimizerKernels } from '../../kernels/optimizer.ts';
import type { Records } from '../commands/index.ts';
import type { Words } from '../commands/words.ts';
import type { Recorder } from '../recorder.ts';

/** A tile moves 28 bytes an element, or 20: some twenty microseconds. */
const ELEMENTS_PER_TILE = 8192;

export function optimizerKernels(recorder: Recorder): OptimizerKernels {
  return {
    adamW: ({ segments, ...settings }) =>
      recordSteps(
        recorder,
        segments.map((segment) => ({ ...segment, random: 0 })),
        settings,
        false,
      ),
    adamWPacked: ({ segments, key, ...settings }) =>
      recordSteps(
        recorder,
        segments.map(({ moments, start, ...segment }) => ({
          ...segment,
          ...{ firstMoment: moments, secondMoment: null, random: roundingBits(start, key) },
        })),
        settings,
        true,
      ),
  };
}

type Row = Words<Records['ADAM_W_SEGMENT']>;

function recordSteps(
  recorder: Recorder,
  segments: readonly (Omit<Row, 'kept' | 'firstTile'> & { readonly weightDecay: number })[],
  { gradientScale, learningRate, beta1, beta2, epsilon, step }: AdamWStep,
  packed: boolean,
): void {
  let tiles = 0;
  const rows = segments
    .filter(({ count }) => count > 0)
    .map(({ weightDecay, ...segment }) => {
      const row = { ...segment, kept: 1 - learningRate * weightDecay, firstTile: tiles };
      tiles += Math.ceil(segment.count / ELEMENTS_PER_TILE);
      return row;
    });
  if (tiles === 0) return;
  const table = recorder.table('ADAM_W_SEGMENT', rows);
  recorder.record('ADAM_W', tiles, {
    table,
    segments: rows.length,
    packed,
    elementsPerTile: ELEMENTS_PER_TILE,
    gradientScale,
    beta1,
    rest1: 1 - beta1,
    beta2,
    rest2: 1 - beta2,
    correction2: 1 / (1 - beta2 ** step),
    stepSize: learningRate / (1 - beta1 ** step),
    epsilon,
  });
  recorder.release(table);
}
