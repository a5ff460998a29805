/** The settings of a run: their shape, and what each field takes and means. */
import { type SourceSpec, sourceSpecSchema, type TokenizerSpec } from '@lpr/data';
import type { CustomKind, LatentPrototypeOptions } from '@lpr/moe';
import { type LearningRateGroup, MOMENT_TYPES, type MomentType, type WeightDecayGroup } from '@lpr/tensor/nn';
import { DECAY_SHAPES, type DecayShape, type LossSpikeOptions, type ScheduleOptions } from '@lpr/train';
import { z } from 'zod';
import { lprSchema, type RouterName, ROUTERS } from './routers.ts';

export const ARCHITECTURES = ['qwen3-moe', 'mixtral', 'deepseek-v3'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

export const DEVICES = ['wasm', 'auto', 'gpu', 'gpu-software'] as const;
type DeviceSetting = (typeof DEVICES)[number];

/** 'train': byte-level BPE of `size.vocabulary` tokens, trained on the training text. */
type TokenizerSetting = 'train' | Exclude<TokenizerSpec, { readonly vocabularySize: number }>;

/** The file of a router from outside, and what was in it. */
export interface RouterFile {
  readonly path: string;
  readonly sha256: string;
}

/** What a run was before it was lengthened. */
export interface Lengthening {
  /** Steps that it was to have. */
  readonly steps: number;
  /** Steps that it had done. */
  readonly until: number;
}

/** Everything that decides a run; what `config.yaml` holds. The schema below says what each field means. */
export interface Settings {
  readonly architecture: Architecture;
  readonly router: RouterName;
  readonly routerFile?: RouterFile | undefined;
  readonly balancing?: { readonly auxiliaryLoss: number } | undefined;
  readonly lpr?: LatentPrototypeOptions | undefined;
  readonly method?: Readonly<Record<string, unknown>> | undefined;
  readonly model: Readonly<Record<string, unknown>>;
  readonly from?: string | undefined;
  readonly seed: number;
  readonly device: DeviceSetting;
  readonly threads: number | null;
  readonly size: {
    readonly vocabulary: number;
    readonly hidden: number;
    readonly layers: number;
    readonly heads: number;
    readonly keyValueHeads: number;
    readonly headDim: number;
    readonly experts: number;
    readonly topK: number;
    readonly expertWidth: number;
  };
  readonly data: {
    readonly sources: readonly SourceSpec[];
    readonly tokenizer: TokenizerSetting;
    readonly heldOutFraction: number;
    readonly heldOutSeed?: number | undefined;
    readonly batchSize: number;
    readonly sequenceLength: number;
  };
  readonly training: {
    readonly steps: number;
    readonly lengthened?: readonly Lengthening[] | undefined;
    readonly accumulation: number;
    readonly accumulatedTerms: 'mean' | 'sum';
    readonly reduction?: 'ordered' | 'allReduce' | undefined;
    readonly expertParallel?: boolean | undefined;
    readonly learningRate: number;
    readonly schedule: ScheduleOptions['kind'];
    readonly warmup: number;
    readonly stable: number;
    readonly decay: DecayShape;
    readonly minRatio: number;
    readonly weightDecay: number;
    readonly weightDecayGroups: readonly WeightDecayGroup[];
    readonly learningRateGroups?: readonly LearningRateGroup[] | undefined;
    readonly clipNorm: number;
    readonly moments?: MomentType | undefined;
    readonly logEvery: number;
    readonly checkpointEvery: number;
    readonly keepCheckpoints: number;
    readonly gradientNormsEvery: number | null;
    readonly lossSpike: LossSpikeOptions | null;
    readonly calibration: { readonly tokens: number; readonly rounds: number } | null;
  };
  readonly evaluation: {
    readonly sources: readonly SourceSpec[];
    readonly tokens: number;
    readonly batchSize: number;
    readonly every: number | null;
    readonly patience: number | null;
    readonly traceTokens: number;
  };
}

const positive = (meaning: string): z.ZodType<number> => z.int().min(1).describe(meaning);
const parameterNames = z.array(z.string()).min(1).describe('Of parameters; * stands for any characters');
const share = (meaning: string): z.ZodType<number> => z.number().min(0).max(1).describe(meaning);

export const settingsSchema: z.ZodType<Settings> = z.strictObject({
  architecture: z.enum(ARCHITECTURES).describe('The decoder, as Hugging Face transformers computes it'),
  router: z
    .union([
      z.enum(ROUTERS as [RouterName]),
      z
        .string()
        .regex(
          /^custom-/,
          `one of ${ROUTERS.join(', ')}, or custom-..., a router from outside`,
        ) as unknown as z.ZodType<CustomKind>,
    ])
    .describe(
      "The routing method; top-k is the architecture's own, custom-... one from outside, in the file that --router names",
    ),
  routerFile: z
    .strictObject({
      path: z.string().min(1).describe('As the command line named it'),
      sha256: z.string().describe('Of the router with what it imports beside it; a run goes on with the same alone'),
    })
    .optional()
    .describe('Of a router from outside, as --router writes it down'),
  balancing: z
    .strictObject({
      auxiliaryLoss: z
        .number()
        .min(0)
        .describe('Weight of the auxiliary load-balancing loss, pooled over layers as in Hugging Face transformers'),
    })
    .optional()
    .describe("Of the architecture's own router"),
  lpr: (lprSchema as unknown as z.ZodType<LatentPrototypeOptions>)
    .optional()
    .describe('Of Latent Prototype Routing: every switch of the formulation'),
  method: z.record(z.string(), z.unknown()).optional().describe('Of the other methods: every setting of the method'),
  model: z
    .record(z.string(), z.unknown())
    .default({})
    .describe(
      'Further keys of the Hugging Face config.json of the architecture; none that another setting decides, or that the router does not read',
    ),
  from: z
    .string()
    .min(1)
    .optional()
    .describe(
      'A run (its newest checkpoint), a checkpoint or a Hugging Face folder whose weights training starts from; left out: random weights',
    ),
  seed: z.int().min(0).describe('Decides initial weights, data order and noise'),
  device: z
    .enum(DEVICES)
    .describe(
      'wasm: the CPU. auto: a GPU where there is one and steps of the model are faster on it. gpu-software: a GPU that the CPU plays, very slow',
    ),
  threads: z.int().min(0).nullable().describe('Worker threads; 0 runs in place; null: one a core'),
  size: z.strictObject({
    vocabulary: z.int().min(257).describe('Tokens of the tokenizer, where it is trained; otherwise room for so many'),
    hidden: positive('Width of the model'),
    layers: positive('Decoder layers'),
    heads: positive('Heads of attention'),
    keyValueHeads: positive('Heads of keys and values; a divisor of heads'),
    headDim: positive('Width of a head; even'),
    experts: positive('Experts in a layer'),
    topK: positive('Experts per token'),
    expertWidth: positive('Inner width of an expert'),
  }),
  data: z.strictObject({
    sources: z
      .array(sourceSpecSchema)
      .min(1)
      .describe(
        'What to train on and hold some out of, mixed by weight or, where none has one, by tokens; those of one domain are reported together',
      ),
    tokenizer: z
      .union([z.enum(['train', 'bytes', 'qwen3']), z.strictObject({ path: z.string().min(1) })])
      .default('train')
      .describe('train: byte-level BPE, trained on the training text. path: of a tokenizer.json'),
    heldOutFraction: z
      .number()
      .min(0)
      .lt(1)
      .describe('Share of the text that is only evaluated on; 0 where evaluation.sources gives other text'),
    heldOutSeed: z
      .int()
      .min(0)
      .optional()
      .describe(
        'Decides which documents are held out, the same (0, left out) for every seed: others tell what the choice does',
      ),
    batchSize: positive(
      'Sequences that run through the model at once; --set data.batchSize=auto takes as many as fit, up to 32,768 tokens',
    ),
    sequenceLength: positive('Tokens of a sequence'),
  }),
  training: z.strictObject({
    steps: positive('Optimiser steps'),
    lengthened: z
      .array(
        z.strictObject({
          steps: positive('That it was to have'),
          until: positive('Steps done by then, after the schedule of so many'),
        }),
      )
      .min(1)
      .optional()
      .describe(
        'Of a run that was lengthened, as resume --steps writes it down: what it was before, each time; where it had ended it was calibrated and evaluated',
      ),
    accumulation: positive('Batches whose gradients make up one step').default(1),
    accumulatedTerms: z
      .enum(['mean', 'sum'])
      .default('mean')
      .describe(
        "Of the loss terms besides cross entropy: those of the whole step, or the sum over its batches, as LPR's released code has it",
      ),
    reduction: z
      .enum(['ordered', 'allReduce'])
      .optional()
      .describe(
        'How several ranks add their gradients up. ordered (left out): in the order of the batches of a step, with the same bits for any number of ranks. allReduce: by MPI_Allreduce, whose last bits depend on the number of ranks; fewer bytes where a rank has several batches a step',
      ),
    expertParallel: z
      .boolean()
      .optional()
      .describe(
        'Whether several ranks own some of the experts each and send each other tokens, so that a model trains whose experts fit no one of them; false (left out): each rank has all experts',
      ),
    learningRate: z.number().gt(0).describe('At its peak'),
    schedule: z
      .enum(['warmupStableDecay', 'cosine', 'linear', 'constant'])
      .default('warmupStableDecay')
      .describe('After a linear warm-up: constant then decay, cosine or linear decay over all that is left, constant'),
    warmup: share('Share of the steps'),
    stable: share('Of warmupStableDecay: share of the steps; what is left is the decay'),
    decay: z.enum(DECAY_SHAPES).default('cosine').describe('Of warmupStableDecay: the shape of the decay'),
    minRatio: share("The schedule's smallest factor"),
    weightDecay: z.number().min(0).describe('Decoupled decay of the weights'),
    weightDecayGroups: z
      .array(
        z.strictObject({
          names: parameterNames,
          weightDecay: z.number().min(0),
        }),
      )
      .default([])
      .describe('Parameters that decay otherwise, such as {names: ["*norm.weight"], weightDecay: 0}'),
    learningRateGroups: z
      .array(z.strictObject({ names: parameterNames, factor: z.number().min(0) }))
      .optional()
      .describe(
        'Parameters that learn at so many times the learning rate, such as those of routers: {names: ["*.gate.*"], factor: 0.1}; none (left out)',
      ),
    clipNorm: z.number().gt(0).describe('Global norm that gradients are scaled down to'),
    moments: z
      .enum(MOMENT_TYPES)
      .optional()
      .describe(
        'How AdamW keeps its two moments of a weight. float32 (left out): in 8 bytes. bfloat16: in 4, rounded up or down by chance so that they are right in the mean; on a GPU with WebGPU alone',
      ),
    logEvery: positive('Steps in a logging window'),
    checkpointEvery: positive('Steps between checkpoints'),
    keepCheckpoints: positive('Checkpoints that stay, the newest'),
    gradientNormsEvery: z
      .int()
      .min(1)
      .nullable()
      .default(null)
      .describe("Logging windows between measurements of each loss term's gradients; null: never"),
    lossSpike: z
      .strictObject({
        sigmas: z.number().gt(0).describe('Standard deviations above the mean from which on a loss is a spike'),
        window: positive('Steps before it that a loss is compared with'),
      })
      .nullable()
      .default(null)
      .describe('When a loss stops the run as one that is not finite does; null: never'),
    calibration: z
      .strictObject({
        tokens: positive('Of the training text, at most, in the proportions of the mix'),
        rounds: positive('Times that they are read'),
      })
      .nullable()
      .default(null)
      .describe(
        'After the last step selection biases are set so that the load is even over training text, all weights as they are; null: they stay as training left them',
      ),
  }),
  evaluation: z.strictObject({
    sources: z
      .array(sourceSpecSchema)
      .default([])
      .describe(
        'Text that is evaluated on besides what is held out of data.sources, each source as a domain of its own; the results over all are of the held-out text, or of this where nothing is held out',
      ),
    tokens: positive(
      'Held-out tokens, at most, in the proportions of the training mix; and of each of sources as many',
    ),
    batchSize: positive('Sequences at once'),
    every: z.int().min(1).nullable().default(null).describe('Steps between evaluations; null: only at the end'),
    patience: z
      .int()
      .min(1)
      .nullable()
      .default(null)
      .describe('Stop when so many evaluations in a row were no better than the best before; null: never'),
    traceTokens: z
      .int()
      .min(0)
      .default(4096)
      .describe('Held-out tokens of each domain whose routing is kept at every evaluation'),
  }),
});
