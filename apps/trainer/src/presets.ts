/** Named sizes of a run: how large the model is, how long it trains, on what. */
import type { Settings } from './settings.ts';

export type PresetName = 'quick' | 'small' | 'tiny';

/** What a preset decides; seed, router, device and threads come from the command line. */
export type Preset = Pick<Settings, 'size' | 'data' | 'training' | 'evaluation'> & { readonly description: string };

/** What all presets share: schedule, decay and clipping as the LPR paper trains (its table 8), and how many checkpoints stay. */
const SHARED_TRAINING = {
  warmup: 0.05,
  stable: 0.75,
  minRatio: 0.05,
  weightDecay: 0.1,
  clipNorm: 1,
  keepCheckpoints: 2,
} as const;

export const PRESETS: Readonly<Record<PresetName, Preset>> = {
  tiny: {
    description: 'seconds: to see that everything works',
    size: {
      vocabulary: 512,
      hidden: 32,
      layers: 2,
      heads: 2,
      keyValueHeads: 1,
      headDim: 16,
      experts: 8,
      topK: 2,
      expertWidth: 32,
    },
    data: { corpus: 'state-of-the-union', heldOutFraction: 0.02, batchSize: 4, sequenceLength: 64 },
    training: {
      steps: 40,
      learningRate: 0.003,
      ...SHARED_TRAINING,
      logEvery: 10,
      checkpointEvery: 20,
    },
    evaluation: { tokens: 8_192, batchSize: 8 },
  },
  quick: {
    description: 'the comparison of three minutes on two cores',
    size: {
      vocabulary: 4096,
      hidden: 128,
      layers: 4,
      heads: 4,
      keyValueHeads: 2,
      headDim: 32,
      experts: 32,
      topK: 4,
      expertWidth: 64,
    },
    data: { corpus: 'state-of-the-union', heldOutFraction: 0.05, batchSize: 16, sequenceLength: 128 },
    training: {
      steps: 320,
      learningRate: 0.003,
      ...SHARED_TRAINING,
      logEvery: 20,
      checkpointEvery: 100,
    },
    evaluation: { tokens: 102_400, batchSize: 16 },
  },
  small: {
    description: 'a longer run of a larger model: under an hour on two cores',
    size: {
      vocabulary: 4096,
      hidden: 256,
      layers: 6,
      heads: 8,
      keyValueHeads: 4,
      headDim: 32,
      experts: 64,
      topK: 8,
      expertWidth: 64,
    },
    data: { corpus: 'state-of-the-union', heldOutFraction: 0.05, batchSize: 8, sequenceLength: 256 },
    training: {
      steps: 1_000,
      learningRate: 0.002,
      ...SHARED_TRAINING,
      logEvery: 20,
      checkpointEvery: 100,
    },
    evaluation: { tokens: 102_400, batchSize: 8 },
  },
};
