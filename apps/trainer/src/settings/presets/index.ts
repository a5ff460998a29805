/** Named settings of a run: how large the model is, how long it trains, on what. Files and options go over them. */
import { PAPER_PRESETS } from './paper.ts';
import { ADDRESSES, AT_THE_END, PAPER_TRAINING, type Preset } from './preset.ts';

const SMALL_PRESETS = {
  tiny: {
    description: 'seconds: to see that everything works',
    settings: {
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
      data: { ...ADDRESSES, heldOutFraction: 0.02, batchSize: 4, sequenceLength: 64 },
      training: { steps: 40, learningRate: 0.003, ...PAPER_TRAINING, logEvery: 10, checkpointEvery: 20 },
      evaluation: { tokens: 8_192, batchSize: 8, ...AT_THE_END },
    },
  },
  quick: {
    description: 'the comparison of three minutes on two cores',
    settings: {
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
      data: { ...ADDRESSES, heldOutFraction: 0.05, batchSize: 16, sequenceLength: 128 },
      training: { steps: 320, learningRate: 0.003, ...PAPER_TRAINING, logEvery: 20, checkpointEvery: 100 },
      evaluation: { tokens: 102_400, batchSize: 16, ...AT_THE_END },
    },
  },
  small: {
    description: 'a longer run of a larger model: under an hour on two cores',
    settings: {
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
      data: { ...ADDRESSES, heldOutFraction: 0.05, batchSize: 8, sequenceLength: 256 },
      training: { steps: 1_000, learningRate: 0.002, ...PAPER_TRAINING, logEvery: 20, checkpointEvery: 100 },
      evaluation: { tokens: 102_400, batchSize: 8, ...AT_THE_END },
    },
  },
  medium: {
    description: '43M parameters with 128 experts: hours on two cores',
    settings: {
      size: {
        vocabulary: 8192,
        hidden: 256,
        layers: 6,
        heads: 8,
        keyValueHeads: 2,
        headDim: 32,
        experts: 128,
        topK: 8,
        expertWidth: 64,
      },
      data: { ...ADDRESSES, heldOutFraction: 0.05, batchSize: 4, sequenceLength: 256 },
      training: { steps: 10_000, learningRate: 0.001, ...PAPER_TRAINING, logEvery: 50, checkpointEvery: 500 },
      evaluation: { tokens: 102_400, batchSize: 4, ...AT_THE_END },
    },
  },
} as const satisfies Readonly<Record<string, Preset>>;

export const PRESETS: Readonly<Record<string, Preset>> = { ...SMALL_PRESETS, ...PAPER_PRESETS };
