/**
 * What an architecture, a formulation and a preset each decide of a run. An architecture: the keys of its
 * `config.json`. A formulation: the switches of Latent Prototype Routing, as `latentPrototypePresets` of @lpr/moe lists
 * them, and what a preset has `withRouter`. A preset: how large the model is, how long it trains, on what. Files and
 * options go over all of it.
 */
import type { DecoderConfig } from '@lpr/model';
import { architectureTitle } from '@lpr/report/tables';
import type { RouterName } from './routers.ts';
import type { Architecture, Settings } from './schema.ts';

type Size = Settings['size'];
type Keys = Readonly<Record<string, unknown>>;

interface ArchitectureEntry {
  readonly modelType: DecoderConfig['model_type'];
  /** Keys of `config.json` that a field of `size` decides; the group `model` cannot. */
  readonly sizes: Readonly<Record<string, keyof Size>>;
  /** Keys that the group `model` can set otherwise. */
  readonly defaults: (size: Size) => Keys;
  /** Of the own router: the weight of the auxiliary load-balancing loss. */
  readonly auxiliaryLoss: number;
}

const SHARED_SIZES = {
  hidden_size: 'hidden',
  num_hidden_layers: 'layers',
  num_attention_heads: 'heads',
  num_key_value_heads: 'keyValueHeads',
  num_experts_per_tok: 'topK',
} as const;

export const ARCHITECTURE_TABLE: Readonly<Record<Architecture, ArchitectureEntry>> = {
  'qwen3-moe': {
    modelType: 'qwen3_moe',
    sizes: { ...SHARED_SIZES, head_dim: 'headDim', num_experts: 'experts', moe_intermediate_size: 'expertWidth' },
    defaults: ({ expertWidth }) => ({
      // Of layers without experts, of which there are none unless `model` asks for some.
      intermediate_size: expertWidth,
      // So that the weights of the chosen experts sum to 1, as those of LPR do.
      norm_topk_prob: true,
    }),
    auxiliaryLoss: 0.001,
  },
  mixtral: {
    modelType: 'mixtral',
    sizes: { ...SHARED_SIZES, head_dim: 'headDim', num_local_experts: 'experts', intermediate_size: 'expertWidth' },
    defaults: () => ({}),
    auxiliaryLoss: 0.001,
  },
  'deepseek-v3': {
    modelType: 'deepseek_v3',
    sizes: { ...SHARED_SIZES, n_routed_experts: 'experts', moe_intermediate_size: 'expertWidth' },
    defaults: ({ headDim, expertWidth }) => ({
      q_lora_rank: null,
      kv_lora_rank: 2 * headDim,
      qk_nope_head_dim: headDim,
      qk_rope_head_dim: headDim / 2,
      v_head_dim: headDim,
      n_shared_experts: 1,
      intermediate_size: expertWidth,
      first_k_dense_replace: 0,
      n_group: 1,
      topk_group: 1,
      norm_topk_prob: true,
      routed_scaling_factor: 1,
    }),
    // It balances by its selection bias.
    auxiliaryLoss: 0,
  },
};

/** Named settings, under files and options. */
export interface Preset extends Pick<Settings, 'size' | 'data' | 'training' | 'evaluation'> {
  readonly description: string;
  /** Where neither files nor options name one. */
  readonly architecture: Architecture;
  readonly router: RouterName;
  /** Keys of `config.json`, for its own architecture alone. */
  readonly model: Keys;
  /** What goes with a router, and with no other. */
  readonly withRouter: Readonly<Partial<Record<RouterName, RouterPart>>>;
}

type RouterPart = Readonly<{
  lpr?: Partial<NonNullable<Settings['lpr']>>;
  training?: Partial<Settings['training']>;
}>;

/** Schedule, decay and clipping as the LPR paper trains (arXiv 2506.21328, table 8). */
const PAPER_TRAINING = {
  accumulation: 1,
  accumulatedTerms: 'mean',
  schedule: 'warmupStableDecay',
  warmup: 0.05,
  stable: 0.75,
  decay: 'cosine',
  minRatio: 0.05,
  weightDecay: 0.1,
  weightDecayGroups: [],
  clipNorm: 1,
  keepCheckpoints: 2,
  gradientNormsEvery: null,
  lossSpike: null,
  calibration: null,
} as const;

/** The State of the Union addresses, which come along, and a tokenizer of their own. */
const ADDRESSES = { sources: [{ type: 'state-of-the-union' }], tokenizer: 'train' } as const;

/** Evaluation at the end alone, with traces for pictures of specialisation. */
const AT_THE_END = { sources: [], every: null, patience: null, traceTokens: 4096 } as const;

/** Its tokens are a little more than the training reads. */
const FINE_WEB = {
  type: 'hub',
  dataset: 'HuggingFaceFW/fineweb',
  config: 'sample-100BT',
  domain: 'fineweb',
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

/** LPR that balances by a bias, calibrated after the last step. */
function calibrated(tokens: number): NonNullable<Preset['withRouter']> {
  const training = { calibration: { tokens, rounds: 1 } };
  return { lpr: { training }, 'lpr-tokens': { training } };
}

/** Sizes for the addresses, of Qwen3-MoE with LPR. */
const SMALL = {
  architecture: 'qwen3-moe',
  router: 'lpr',
  model: {},
  withRouter: calibrated(262_144),
} as const;

interface PaperModel {
  readonly size: Size;
  readonly model: Keys;
  /** Weight of the alignment in the released config with LPR. */
  readonly alignmentWeight: number;
}

type PaperModels = Readonly<Record<Architecture, PaperModel>>;

const PAPER_SIZE = { vocabulary: 151_936, hidden: 1024, layers: 6, experts: 128, topK: 8, expertWidth: 128 } as const;

/** The 0.6B models of the LPR paper (table 8), with the sizes of the released configs. */
const PAPER_MODELS: PaperModels = {
  'qwen3-moe': {
    size: { ...PAPER_SIZE, heads: 16, keyValueHeads: 4, headDim: 128 },
    // The weights of the chosen experts are left as the softmax has them.
    model: { norm_topk_prob: false },
    alignmentWeight: 0.1,
  },
  mixtral: {
    size: { ...PAPER_SIZE, heads: 16, keyValueHeads: 4, headDim: 64 },
    model: {},
    alignmentWeight: 0.05,
  },
  'deepseek-v3': {
    size: { ...PAPER_SIZE, heads: 8, keyValueHeads: 8, headDim: 64, expertWidth: 110 },
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
    alignmentWeight: 0.05,
  },
};

const QUARTER_SIZE = { ...PAPER_SIZE, hidden: 256, expertWidth: 32 } as const;

/**
 * Of 0.1B parameters, which the paper names without their sizes: those above with a quarter of the width, the heads and
 * the width of an expert; layers, experts and vocabulary, which makes four fifths of them, stay.
 */
const QUARTER_MODELS: PaperModels = {
  'qwen3-moe': {
    ...PAPER_MODELS['qwen3-moe'],
    size: { ...QUARTER_SIZE, heads: 4, keyValueHeads: 1, headDim: 128 },
  },
  mixtral: {
    ...PAPER_MODELS.mixtral,
    size: { ...QUARTER_SIZE, heads: 4, keyValueHeads: 1, headDim: 64 },
  },
  'deepseek-v3': {
    ...PAPER_MODELS['deepseek-v3'],
    size: { ...QUARTER_SIZE, heads: 2, keyValueHeads: 2, headDim: 64, expertWidth: 28 },
    model: { ...PAPER_MODELS['deepseek-v3'].model, q_lora_rank: 384, kv_lora_rank: 128 },
  },
};

/** What the paper trains: its 0.6B models on 1B tokens for table 1, and on 100M for the others. */
interface PaperTraining {
  readonly name: string;
  readonly models: PaperModels;
  /** Of 270 sequences of 1,024 tokens. */
  readonly steps: number;
  readonly maxTokens: number;
  readonly tokens: string;
}

/** Steps that make 100M tokens: what each row but those of table 1 is trained for in the paper. */
export const ABLATION_STEPS = 362;

const LARGE: PaperTraining = {
  name: "the paper's 0.6B",
  models: PAPER_MODELS,
  steps: 4_000,
  maxTokens: 1.12e9,
  tokens: '1.1B tokens',
};
const QUARTER: PaperTraining = {
  name: 'a quarter-width, 0.1B',
  models: QUARTER_MODELS,
  steps: ABLATION_STEPS,
  maxTokens: 1.02e8,
  tokens: '100M tokens',
};

/** Both make 270 sequences a step. */
const WIDE = { batchSize: 10, accumulation: 27 } as const;
const LONG = { batchSize: 15, accumulation: 18 } as const;

/** A model of the paper with its training. */
function paperPreset(
  { name, models, steps, maxTokens, tokens }: PaperTraining,
  architecture: Architecture,
  router: 'top-k' | 'lpr-official',
  { batchSize, accumulation }: Pick<Settings['data'], 'batchSize'> & Pick<Settings['training'], 'accumulation'>,
): Preset {
  const { size, model, alignmentWeight } = models[architecture];
  const title = architectureTitle(architecture);
  // The released code adds up over micro-batches what its routers add to the loss. Nothing else here does.
  const released = { accumulatedTerms: 'sum' } as const;
  return {
    description: `${name} ${title}${router === 'top-k' ? '' : '-LPR as the released code computes it'}: ${tokens}, for a GPU`,
    architecture,
    router,
    size,
    model,
    data: {
      sources: [{ ...FINE_WEB, maxTokens }],
      tokenizer: 'qwen3',
      heldOutFraction: 0,
      batchSize,
      sequenceLength: 1024,
    },
    training: {
      ...PAPER_TRAINING,
      steps,
      learningRate: 0.001,
      accumulation,
      logEvery: 10,
      checkpointEvery: 100,
    },
    evaluation: { tokens: 1_048_576, batchSize, ...AT_THE_END, sources: [C4] },
    withRouter: {
      'top-k': { training: released },
      'lpr-official': { training: released, lpr: { alignmentWeight } },
    },
  };
}

/** Those of a size, with their own routers and with LPR, below a name of their own. */
function paperPresets(group: string, training: PaperTraining): Record<string, Preset> {
  const own = { 'qwen3-moe': LONG, mixtral: WIDE, 'deepseek-v3': LONG };
  const withLpr = { 'qwen3-moe': WIDE, mixtral: WIDE, 'deepseek-v3': LONG };
  return Object.fromEntries(
    (Object.keys(own) as Architecture[]).flatMap((architecture) => [
      [`${group}/${architecture}`, paperPreset(training, architecture, 'top-k', own[architecture])],
      [`${group}/${architecture}-lpr`, paperPreset(training, architecture, 'lpr-official', withLpr[architecture])],
    ]),
  );
}

export const PRESETS: Readonly<Record<string, Preset>> = {
  tiny: {
    ...SMALL,
    description: 'seconds: to see that everything works',
    withRouter: calibrated(16_384),
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
    training: { ...PAPER_TRAINING, steps: 40, learningRate: 0.003, logEvery: 10, checkpointEvery: 20 },
    evaluation: { tokens: 8_192, batchSize: 8, ...AT_THE_END },
  },
  quick: {
    ...SMALL,
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
    data: { ...ADDRESSES, heldOutFraction: 0.05, batchSize: 16, sequenceLength: 128 },
    training: { ...PAPER_TRAINING, steps: 320, learningRate: 0.003, logEvery: 20, checkpointEvery: 100 },
    evaluation: { tokens: 102_400, batchSize: 16, ...AT_THE_END },
  },
  small: {
    ...SMALL,
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
    data: { ...ADDRESSES, heldOutFraction: 0.05, batchSize: 8, sequenceLength: 256 },
    training: { ...PAPER_TRAINING, steps: 1_000, learningRate: 0.002, logEvery: 20, checkpointEvery: 100 },
    evaluation: { tokens: 102_400, batchSize: 8, ...AT_THE_END },
  },
  medium: {
    ...SMALL,
    description: '43M parameters with 128 experts: hours on two cores',
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
    training: { ...PAPER_TRAINING, steps: 10_000, learningRate: 0.001, logEvery: 50, checkpointEvery: 500 },
    evaluation: { tokens: 102_400, batchSize: 4, ...AT_THE_END },
  },
  ...paperPresets('paper', LARGE),
  ...paperPresets('paper-0.1b', QUARTER),
};

/**
 * A preset's counterpart for a router and an architecture among the six of the paper of its size; another preset serves
 * all.
 */
export function counterpartOf(preset: string, architecture: Architecture, router: RouterName): string {
  const [group, name] = preset.split('/');
  return name === undefined ? preset : `${group}/${architecture}${router === 'top-k' ? '' : '-lpr'}`;
}
