/**
 * The switches of Latent Prototype Routing and the formulations made of them. The paper (arXiv 2506.21328), the
 * code released with it and what works best differ in many independent points; each is one field here, and a resolved
 * set of fields is plain data that a report can list.
 */
import { type OptionRules, resolveOptions } from '../../method.ts';

export type VectorMeasure = 'cosine' | 'dotProduct' | 'gaussianKernel' | 'mahalanobis' | 'attention';
export type DistributionMeasure = 'wasserstein' | 'kl' | 'js' | 'hellinger';

export interface LatentPrototypeOptions {
  /** Width D of the latent space. */
  readonly latentDim: number;
  /**
   * How latents and prototypes are compared (table 7). Distribution measures compare Gaussians: the token's N(mu,
   * exp(logvar)) and the expert's.
   */
  readonly measure: VectorMeasure | DistributionMeasure;
  /**
   * Rows of a learned table of latents by token id, of which a token's is added to its mean; 0: none. The encoder alone
   * sees a token in its context, which moves as the model learns; the table says from the first step on what token it
   * is. Above 0, `context.tokenIds` is needed.
   */
  readonly vocabulary: number;
  /**
   * Whether there is such a table for the id of the token before, too: what tells the context of a frequent token apart
   * before the layers below do. Needs `vocabulary`.
   */
  readonly precedingLatents: boolean;
  /** What vector measures compare with the prototypes: the sample z = mu + exp(logvar / 2) eps, or its mean mu. */
  readonly scoreFrom: 'z' | 'mu';
  /** Scores are multiplied by this, so that the softmax over the chosen k can tell them apart. */
  readonly temperature: number;
  /** Sigma of the Gaussian kernel. */
  readonly kernelWidth: number;
  /** Heads of the attention measure. */
  readonly attentionHeads: number;
  /**
   * Learned, normalised projections of both sides of the attention measure (the released code); without them, equations
   * 18-19.
   */
  readonly attentionProjections: boolean;
  /** The square of the Wasserstein distance (equation 20) instead of the distance. */
  readonly squaredWasserstein: boolean;
  /** Equation 23 as printed instead of the Hellinger distance. */
  readonly printedHellinger: boolean;
  /**
   * How the prototypes start. 'sphere': drawn evenly from the unit sphere (hyperspherical initialisation). 'normal':
   * from N(0, I), as long as they come. 'orthogonal': at right angles to each other; more prototypes than the latent
   * space has dimensions cannot be, and then cover all directions alike, with a mean squared length of 1.
   */
  readonly prototypeStart: 'sphere' | 'normal' | 'orthogonal';
  /** Put the prototypes back on the unit sphere after each step. */
  readonly unitBallConstraint: boolean;
  /** Which penalty spreads rows out (table 6). */
  readonly diversity: 'orthogonal' | 'cosine' | 'euclidean';
  /** Whose rows are spread out (equation 14): those of the encoded tokens, of the prototypes, or of each. */
  readonly diversityTarget: 'tokens' | 'keys' | 'both';
  /** Divide rows by their norm before the orthogonality penalty. */
  readonly diversityNormalize: boolean;
  /** Add up the squared entries of the Gram matrix minus I, or average them. */
  readonly diversityReduce: 'sum' | 'mean';
  /**
   * 'paper': squared distance of stopgrad(z) to the prototypes mixed by a softmax over all scores, summed (equations
   * 15-17). 'official': mean absolute distance of each prototype to the sum over tokens of z, weighted by a softmax
   * over scores of which the unselected are 0. 'assignedMean': mean over experts with tokens of the squared distance
   * between the prototype and the mean of its tokens, both unit vectors for the cosine measure.
   */
  readonly alignment: 'paper' | 'official' | 'assignedMean';
  /**
   * What the released code's softmax over all experts has in place of the scores of those not chosen: 0, or minus
   * infinity ('chosenOnly').
   */
  readonly assignment: 'zeroFilled' | 'chosenOnly';
  /**
   * After each step, prototypes move towards the mean of their tokens: the chosen ones ('hard'), or all, weighted by
   * the softmax over all scores ('soft'). 'official': the released code's decayed sums over decayed counts of the
   * `assignment`, whose counts start at 0: until an expert has any, its prototype stays. Gradients reach the prototypes
   * besides.
   */
  readonly ema: 'off' | 'hard' | 'soft' | 'official';
  readonly emaDecay: number;
  /** Add a projection of the mixed prototypes to what the routed experts read. */
  readonly outProjection: boolean;
  /**
   * Hold the released code's `ema_sums` and `ema_counts`, which it saves and never updates, so that its checkpoints
   * fit.
   */
  readonly emaBuffers: boolean;
  /**
   * After each step, an expert's selection bias grows by this when it got less than the mean load and shrinks when
   * more; 0: no bias.
   */
  readonly selectionBiasRate: number;
  /** Experts are in this many groups, of which a token sees the best `keptGroups`, as in DeepSeek-V3. */
  readonly groups: number;
  readonly keptGroups: number;
  /** The weights, which sum to 1, are multiplied by this (DeepSeek-V3's `routed_scaling_factor`). */
  readonly weightScale: number;
  /** Multiplies all regularisers (beta_rs in equation 24). */
  readonly strength: number;
  readonly diversityWeight: number;
  readonly klWeight: number;
  readonly alignmentWeight: number;
}

export type LatentPrototypePreset = 'paper' | 'official' | 'corrected' | 'tokens';

/** The same in the paper's equations, in its code and in ours. */
const shared = {
  vocabulary: 0,
  precedingLatents: false,
  measure: 'cosine',
  kernelWidth: 1,
  attentionHeads: 1,
  unitBallConstraint: false,
  diversity: 'orthogonal',
  ema: 'off',
  groups: 1,
  keptGroups: 1,
  weightScale: 1,
} as const;

const corrected: LatentPrototypeOptions = {
  ...shared,
  latentDim: 16,
  attentionProjections: true,
  squaredWasserstein: false,
  printedHellinger: false,
  assignment: 'chosenOnly',
  emaDecay: 0.9,
  scoreFrom: 'mu',
  temperature: 2,
  prototypeStart: 'sphere',
  diversityTarget: 'both',
  diversityNormalize: true,
  diversityReduce: 'mean',
  alignment: 'assignedMean',
  outProjection: false,
  emaBuffers: false,
  selectionBiasRate: 0.008,
  strength: 0.2,
  diversityWeight: 1,
  klWeight: 0.01,
  alignmentWeight: 0.1,
};

/**
 * `paper`: the equations, read literally. `official`: what the released code computes. `corrected`: with their faults
 * mended; the default. `tokens`: beyond the paper, `corrected` with a table of latents by token id, here of bytes.
 */
export const latentPrototypePresets: Readonly<Record<LatentPrototypePreset, LatentPrototypeOptions>> = {
  paper: {
    ...shared,
    latentDim: 16,
    attentionProjections: false,
    squaredWasserstein: true,
    printedHellinger: true,
    assignment: 'chosenOnly',
    emaDecay: 0.9,
    scoreFrom: 'z',
    temperature: 1,
    prototypeStart: 'sphere',
    diversityTarget: 'tokens',
    diversityNormalize: false,
    diversityReduce: 'sum',
    alignment: 'paper',
    outProjection: false,
    emaBuffers: false,
    selectionBiasRate: 0,
    strength: 0.01,
    diversityWeight: 1,
    klWeight: 0.01,
    alignmentWeight: 0.1,
  },
  official: {
    ...shared,
    latentDim: 16,
    attentionProjections: true,
    squaredWasserstein: false,
    printedHellinger: false,
    assignment: 'zeroFilled',
    emaDecay: 0.8,
    scoreFrom: 'mu',
    temperature: 1,
    prototypeStart: 'normal',
    diversityTarget: 'both',
    diversityNormalize: true,
    diversityReduce: 'mean',
    alignment: 'official',
    outProjection: true,
    emaBuffers: true,
    selectionBiasRate: 0,
    strength: 0.01,
    diversityWeight: 1,
    klWeight: 0.01,
    alignmentWeight: 0.1,
  },
  corrected,
  tokens: { ...corrected, vocabulary: 256 },
};

/** Allowed values of the switches, where the type of the default does not say it all. */
export const latentPrototypeRules: OptionRules<LatentPrototypeOptions> = {
  latentDim: 'count',
  vocabulary: 'countOrNone',
  measure: [
    'cosine',
    'dotProduct',
    'gaussianKernel',
    'mahalanobis',
    'attention',
    'wasserstein',
    'kl',
    'js',
    'hellinger',
  ],
  scoreFrom: ['z', 'mu'],
  temperature: 'positive',
  kernelWidth: 'positive',
  prototypeStart: ['sphere', 'normal', 'orthogonal'],
  attentionHeads: 'count',
  diversity: ['orthogonal', 'cosine', 'euclidean'],
  diversityTarget: ['tokens', 'keys', 'both'],
  diversityReduce: ['sum', 'mean'],
  alignment: ['paper', 'official', 'assignedMean'],
  assignment: ['zeroFilled', 'chosenOnly'],
  ema: ['off', 'hard', 'soft', 'official'],
  emaDecay: 'share',
  groups: 'count',
  keptGroups: 'count',
  weightScale: 'positive',
};

/**
 * A formulation with some switches set otherwise. Throws a RangeError that names the field for unknown fields, values
 * of the wrong type or outside their range.
 */
export function resolveLatentPrototype(
  preset: LatentPrototypePreset,
  overrides: Partial<LatentPrototypeOptions> = {},
): LatentPrototypeOptions {
  return resolveOptions('LPR', latentPrototypePresets[preset], latentPrototypeRules, overrides);
}

/** The start that the released code's `unit_ball` stands for. */
export function startOf(unitBall: boolean): LatentPrototypeOptions['prototypeStart'] {
  return unitBall ? 'sphere' : 'normal';
}

/** Switches as an earlier version stored them, by today's names: `unitBall` told two starts apart. */
export function todaysSwitches(switches: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { unitBall, ...rest } = switches;
  return typeof unitBall === 'boolean' ? { prototypeStart: startOf(unitBall), ...rest } : switches;
}
