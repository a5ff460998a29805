/**
 * The six 0.6B models of the LPR paper (arXiv 2506.21328, table 8), with the sizes of the released configs and their
 * training: 4,000 steps of 270 sequences of 1,024 tokens.
 */
import type { Architecture, Settings } from '../schema.ts';
import { AT_THE_END, PAPER_TRAINING, type Preset } from './preset.ts';

type Size = Preset['settings']['size'];

const SHARED_SIZE = { vocabulary: 151_936, hidden: 1024, layers: 6, experts: 128, topK: 8, expertWidth: 128 } as const;

interface Model {
  readonly size: Size;
  /** Keys of `config.json` that the sizes do not give. */
  readonly model: Preset['settings']['model'];
  readonly title: string;
}

const MODELS: Readonly<Record<Architecture, Model>> = {
  'qwen3-moe': {
    title: 'Qwen3-MoE',
    size: { ...SHARED_SIZE, heads: 16, keyValueHeads: 4, headDim: 128 },
    // The weights of the chosen experts are left as the softmax has them.
    model: { norm_topk_prob: false },
  },
  mixtral: {
    title: 'Mixtral',
    size: { ...SHARED_SIZE, heads: 16, keyValueHeads: 4, headDim: 64 },
    model: {},
  },
  'deepseek-v3': {
    title: 'DeepSeek-V3',
    size: { ...SHARED_SIZE, heads: 8, keyValueHeads: 8, headDim: 64, expertWidth: 110 },
    model: {
      q_lora_rank: 1536,
      kv_lora_rank: 512,
      qk_nope_head_dim: 128,
      qk_rope_head_dim: 64,
      v_head_dim: 128,
      n_shared_experts: 5,
      n_group: 8,
      topk_group: 6,
      routed_scaling_factor: 2.5,
    },
  },
};

/** A little more than the training reads. */
const FINE_WEB = {
  type: 'hub',
  dataset: 'HuggingFaceFW/fineweb',
  config: 'sample-100BT',
  domain: 'fineweb',
  maxTokens: 1.12e9,
} as const;

/** The validation text, of which the evaluation reads as much as it wants. */
const C4 = {
  type: 'hub',
  dataset: 'allenai/c4',
  config: 'en',
  split: 'validation',
  domain: 'c4',
  maxTokens: 2_000_000,
} as const;

/** Both make 270 sequences a step. */
const WIDE = { batchSize: 10, accumulation: 27 } as const;
const LONG = { batchSize: 15, accumulation: 18 } as const;

function preset(
  architecture: Architecture,
  router: 'top-k' | 'lpr-official',
  { batchSize, accumulation }: Pick<Settings['data'], 'batchSize'> & Pick<Settings['training'], 'accumulation'>,
  lpr?: Preset['settings']['lpr'],
): Preset {
  const { title, size, model } = MODELS[architecture];
  return {
    description: `the paper's 0.6B ${title}${router === 'top-k' ? '' : '-LPR as the released code computes it'}: 1.1B tokens, for a GPU`,
    settings: {
      architecture,
      router,
      ...(lpr === undefined ? {} : { lpr }),
      model: { ...model },
      size,
      data: { sources: [FINE_WEB], tokenizer: 'qwen3', heldOutFraction: 0, batchSize, sequenceLength: 1024 },
      training: {
        steps: 4_000,
        learningRate: 0.001,
        ...PAPER_TRAINING,
        accumulation,
        // The released code adds the regularisers up over micro-batches.
        accumulatedTerms: 'sum',
        logEvery: 10,
        checkpointEvery: 100,
      },
      evaluation: { tokens: 1_048_576, batchSize, ...AT_THE_END, sources: [C4] },
    },
  };
}

export const PAPER_PRESETS: Readonly<Record<string, Preset>> = {
  'paper/qwen3-moe': preset('qwen3-moe', 'top-k', LONG),
  'paper/qwen3-moe-lpr': preset('qwen3-moe', 'lpr-official', WIDE, { alignmentWeight: 0.1 }),
  'paper/mixtral': preset('mixtral', 'top-k', WIDE),
  'paper/mixtral-lpr': preset('mixtral', 'lpr-official', WIDE, { alignmentWeight: 0.05 }),
  'paper/deepseek-v3': preset('deepseek-v3', 'top-k', LONG),
  'paper/deepseek-v3-lpr': preset('deepseek-v3', 'lpr-official', LONG, { alignmentWeight: 0.05 }),
};

/** The name of the preset for an architecture with its own router, or with LPR. */
export function paperPreset(architecture: Architecture, isOwnRouter: boolean): string {
  return `paper/${architecture}${isOwnRouter ? '' : '-lpr'}`;
}
