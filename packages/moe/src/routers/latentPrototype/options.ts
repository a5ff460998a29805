/**
 * The switches of Latent Prototype Routing and the three formulations made of them. The paper (arXiv 2506.21328), the code released with it and what
 * works best differ in many independent points; each is one field here, and a resolved set of fields is plain data that a report can list.
 */

export interface LatentPrototypeOptions {
  /** Width D of the latent space. */
  readonly latentDim: number;
  /** What is compared with the prototypes: the sample z = mu + exp(logvar / 2) eps, or its mean mu. */
  readonly scoreFrom: 'z' | 'mu';
  /** Cosine scores are multiplied by this, so that the softmax over the chosen k can tell them apart. */
  readonly temperature: number;
  /** Draw the prototypes evenly from the unit sphere (hyperspherical initialisation) instead of from N(0, I). */
  readonly unitBall: boolean;
  /** Whose rows should be orthogonal (equation 14): the encoded tokens, the prototypes, or each of both. */
  readonly diversityTarget: 'tokens' | 'keys' | 'both';
  /** Divide rows by their norm before the orthogonality penalty. */
  readonly diversityNormalize: boolean;
  /** Add up the squared entries of the Gram matrix minus I, or average them. */
  readonly diversityReduce: 'sum' | 'mean';
  /**
   * 'paper': squared distance of stopgrad(z) to the prototypes mixed by a softmax over all scores, summed (equations 15-17).
   * 'official': mean absolute distance of each prototype to the sum over tokens of z, weighted by a softmax over scores of which the unselected
   * are 0. 'assignedMean': mean over experts with tokens of the squared distance between the unit prototype and the unit mean of its tokens.
   */
  readonly alignment: 'paper' | 'official' | 'assignedMean';
  /** Add a projection of the mixed prototypes to what the routed experts read. */
  readonly outProjection: boolean;
  /** Hold the released code's `ema_sums` and `ema_counts`, which it saves and never updates, so that its checkpoints fit. */
  readonly emaBuffers: boolean;
  /** After each step, an expert's selection bias grows by this when it got less than the mean load and shrinks when more; 0: no bias. */
  readonly selectionBiasRate: number;
  /** Multiplies all regularisers (beta_rs in equation 24). */
  readonly strength: number;
  readonly diversityWeight: number;
  readonly klWeight: number;
  readonly alignmentWeight: number;
}

export type LatentPrototypePreset = 'paper' | 'official' | 'corrected';

/** `paper`: the equations, read literally. `official`: what the released code computes. `corrected`: with their faults mended; the default. */
export const latentPrototypePresets: Readonly<Record<LatentPrototypePreset, LatentPrototypeOptions>> = {
  paper: {
    latentDim: 16,
    scoreFrom: 'z',
    temperature: 1,
    unitBall: true,
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
    latentDim: 16,
    scoreFrom: 'mu',
    temperature: 1,
    unitBall: false,
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
  corrected: {
    latentDim: 16,
    scoreFrom: 'mu',
    temperature: 8,
    unitBall: true,
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
  },
};

const CHOICES: Partial<Record<keyof LatentPrototypeOptions, readonly string[]>> = {
  scoreFrom: ['z', 'mu'],
  diversityTarget: ['tokens', 'keys', 'both'],
  diversityReduce: ['sum', 'mean'],
  alignment: ['paper', 'official', 'assignedMean'],
};

/**
 * A formulation with some switches set otherwise. Throws a RangeError that names the field for unknown fields, values of the wrong type or
 * outside their range.
 */
export function resolveLatentPrototype(
  preset: LatentPrototypePreset,
  overrides: Partial<LatentPrototypeOptions> = {},
): LatentPrototypeOptions {
  const defaults = latentPrototypePresets[preset];
  for (const [field, value] of Object.entries(overrides)) {
    const expected = problemWith(field, value, defaults);
    if (expected !== null) throw new RangeError(`LPR: ${field} must be ${expected}, got ${JSON.stringify(value)}`);
  }
  return { ...defaults, ...overrides };
}

/** What was expected of the field, or null when the value is fine. */
function problemWith(field: string, value: unknown, defaults: LatentPrototypeOptions): string | null {
  if (!(field in defaults)) return `one of the switches ${Object.keys(defaults).join(', ')}`;
  const key = field as keyof LatentPrototypeOptions;
  const choices = CHOICES[key];
  if (choices !== undefined) return choices.includes(value as string) ? null : `one of ${choices.join(', ')}`;
  if (typeof defaults[key] === 'boolean') return typeof value === 'boolean' ? null : 'true or false';
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) return 'a finite number of at least 0';
  if (key === 'latentDim' && (!Number.isInteger(value) || value < 1)) return 'a whole number of at least 1';
  if (key === 'temperature' && value === 0) return 'above 0';
  return null;
}
