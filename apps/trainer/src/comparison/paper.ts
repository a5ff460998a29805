/**
 * The tables of the LPR paper (arXiv 2506.21328): what each row changes, and the measures reported for it, to stand
 * beside ours. Table 1 is of 0.6B models after 1B tokens of FineWeb, the others are of Qwen3-MoE-LPR after 100M. Table
 * 8 lists hyperparameters (hyperparameters.ts); its rows here are what it names and no other table reports.
 */
import type { LatentPrototypeOptions } from '@lpr/moe';
import type { Architecture } from '../settings/schema.ts';

/** null where the paper gives none. */
export interface PaperMeasures {
  readonly testLoss: number | null;
  readonly gini: number | null;
  readonly minMax: number | null;
  /**
   * Variance of the loads, in squared tokens; the paper does not say of how many. A Gini of 0.9853 means at least 59
   * squared mean loads whatever the distribution (a ramp over the busiest 2 % of experts has the least), so its mean
   * load is at most 32 tokens, those of 512 experts at k 1 at most 16.5k: about a micro-batch of the released configs.
   * Ours is of all held-out tokens. What can be compared is the coefficient of variation, its root over the mean load:
   * the paper's is 12.4 if its loads are of 10 sequences of 1,024 tokens, 8.3 if they are of 15.
   */
  readonly variance?: number;
}

export interface PaperRow {
  readonly title: string;
  readonly paper: PaperMeasures;
  /** Where it is not that of the run reproduced. */
  readonly architecture?: Architecture;
  /** The architecture's own router instead of LPR. */
  readonly isOwnRouter?: true;
  /** Experts in a layer, and experts per token. */
  readonly size?: { readonly experts: number; readonly topK: number };
  readonly lpr?: Partial<LatentPrototypeOptions>;
  /** Multiplies the strength of the regularisers. */
  readonly strengthFactor?: number;
  /** What the paper settled on: the other rows are compared with it, where none has the own router. */
  readonly isBaseline?: true;
}

export interface PaperTable {
  readonly title: string;
  readonly rows: readonly PaperRow[];
}

export type PaperTableNumber = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

function reported(testLoss: number | null, gini: number, minMax: number): PaperMeasures {
  return { testLoss, gini, minMax };
}

/** Of rows that are not in the paper. */
const NOT_REPORTED = { testLoss: null, gini: null, minMax: null } as const;

export const PAPER_TABLES: Readonly<Record<PaperTableNumber, PaperTable>> = {
  1: {
    title: 'three architectures with their own routers and with LPR; init: the prototypes start on the unit sphere',
    rows: [
      { title: 'Mixtral', architecture: 'mixtral', isOwnRouter: true, paper: reported(3.683, 0.635, 3.33e-6) },
      {
        title: 'Mixtral-LPR (no init)',
        architecture: 'mixtral',
        lpr: { prototypeStart: 'normal' },
        paper: reported(3.747, 0.047, 0.649),
      },
      { title: 'DeepSeek-V3', architecture: 'deepseek-v3', isOwnRouter: true, paper: reported(3.673, 0.79, 6.41e-9) },
      {
        title: 'DeepSeek-LPR (no init)',
        architecture: 'deepseek-v3',
        lpr: { prototypeStart: 'normal' },
        paper: reported(3.72, 0.036, 0.724),
      },
      // oxlint-disable-next-line oxc/approx-constant -- a measured number, not the root of 1/2
      { title: 'Qwen3-MoE', architecture: 'qwen3-moe', isOwnRouter: true, paper: reported(3.666, 0.707, 1.27e-16) },
      {
        title: 'Qwen3-LPR (init)',
        architecture: 'qwen3-moe',
        lpr: { prototypeStart: 'sphere' },
        paper: reported(3.685, 0.057, 0.597),
      },
      {
        title: 'Qwen3-LPR (no init)',
        architecture: 'qwen3-moe',
        lpr: { prototypeStart: 'normal' },
        paper: reported(3.697, 0.039, 0.696),
      },
    ],
  },
  2: {
    title: 'components',
    rows: [
      { title: 'all', isBaseline: true, paper: reported(4.86, 0.06, 0.595) },
      { title: 'without KL', lpr: { klWeight: 0 }, paper: reported(4.82, 0.115, 0.304) },
      { title: 'without alignment', lpr: { alignmentWeight: 0 }, paper: reported(4.83, 0.115, 0.286) },
      { title: 'without diversity', lpr: { diversityWeight: 0 }, paper: reported(5.01, 0.716, 0.002) },
    ],
  },
  3: {
    title: 'width of the latent space',
    rows: [
      { title: 'width 4', lpr: { latentDim: 4 }, paper: reported(5.085, 0.122, 0.385) },
      { title: 'width 8', lpr: { latentDim: 8 }, paper: reported(4.927, 0.085, 0.48) },
      { title: 'width 16', isBaseline: true, lpr: { latentDim: 16 }, paper: reported(4.869, 0.06, 0.595) },
      { title: 'width 32', lpr: { latentDim: 32 }, paper: reported(4.828, 0.07, 0.5247) },
      { title: 'width 64', lpr: { latentDim: 64 }, paper: reported(4.874, 0.063, 0.525) },
      { title: 'width 128', lpr: { latentDim: 128 }, paper: reported(4.891, 0.074, 0.507) },
      { title: 'width 256', lpr: { latentDim: 256 }, paper: reported(4.902, 0.093, 0.395) },
    ],
  },
  4: {
    title: "strength of the regularisers, in multiples of the formulation's own (the paper's: 0.01)",
    rows: [
      { title: 'strength x 0', strengthFactor: 0, paper: reported(4.995, 0.72, 0.0009) },
      { title: 'strength x 1', isBaseline: true, strengthFactor: 1, paper: reported(4.87, 0.06, 0.595) },
      { title: 'strength x 4', strengthFactor: 4, paper: reported(5.06, 0.043, 0.668) },
      { title: 'strength x 10', strengthFactor: 10, paper: reported(5.234, 0.044, 0.662) },
      { title: 'strength x 50', strengthFactor: 50, paper: reported(5.752, 0.05, 0.628) },
    ],
  },
  5: {
    title:
      'experts in a layer - experts per token; variance of loads in squared tokens, which grows with their number (ours: all held-out tokens; the paper does not say), CV: its root over the mean load, which does not',
    rows: [
      { title: '128-8', isBaseline: true, size: { experts: 128, topK: 8 }, paper: reported(null, 0.099, 0.412) },
      { title: '256-8', size: { experts: 256, topK: 8 }, paper: reported(null, 0.155, 0.245) },
      { title: '512-8', size: { experts: 512, topK: 8 }, paper: reported(null, 0.249, 0.059) },
      { title: '512-4', size: { experts: 512, topK: 4 }, paper: reported(null, 0.347, 0.018) },
      { title: '512-1', size: { experts: 512, topK: 1 }, paper: reported(null, 0.322, 0.047) },
      {
        title: '512-1, not regularised',
        size: { experts: 512, topK: 1 },
        strengthFactor: 0,
        paper: { ...reported(null, 0.9853, 9.3e-22), variance: 6.19e4 },
      },
    ],
  },
  6: {
    title: 'measure of diversity',
    rows: [
      { title: 'cosine', lpr: { diversity: 'cosine' }, paper: reported(5.11, 0.482, 0.037) },
      { title: 'orthogonal', isBaseline: true, lpr: { diversity: 'orthogonal' }, paper: reported(4.86, 0.06, 0.595) },
      { title: 'Euclidean', lpr: { diversity: 'euclidean' }, paper: reported(6.745, 0.263, 0.111) },
    ],
  },
  7: {
    title: 'measure between tokens and prototypes',
    rows: [
      { title: 'cosine', isBaseline: true, lpr: { measure: 'cosine' }, paper: reported(4.855, 0.082, 0.595) },
      { title: 'Gaussian kernel', lpr: { measure: 'gaussianKernel' }, paper: reported(4.908, 0.269, 0.139) },
      { title: 'Mahalanobis', lpr: { measure: 'mahalanobis' }, paper: reported(4.91, 0.246, 0.111) },
      { title: 'cross-attention', lpr: { measure: 'attention' }, paper: reported(4.878, 0.574, 0.007) },
      { title: 'Wasserstein', lpr: { measure: 'wasserstein' }, paper: reported(4.884, 0.29, 0.067) },
      { title: 'Hellinger', lpr: { measure: 'hellinger' }, paper: reported(4.964, 0.364, 0.043) },
      { title: 'Jensen-Shannon', lpr: { measure: 'js' }, paper: reported(4.979, 0.298, 0.08) },
      { title: 'Kullback-Leibler', lpr: { measure: 'kl' }, paper: reported(4.881, 0.261, 0.098) },
    ],
  },
  8: {
    title:
      'moving averages, unit-ball constraint and starts of the prototypes: named by table 8, not reported in the paper',
    rows: [
      { title: 'all', isBaseline: true, paper: NOT_REPORTED },
      { title: 'moving averages, hard, decay 0.9', lpr: { ema: 'hard', emaDecay: 0.9 }, paper: NOT_REPORTED },
      { title: 'moving averages, soft, decay 0.9', lpr: { ema: 'soft', emaDecay: 0.9 }, paper: NOT_REPORTED },
      {
        title: 'moving averages as released, decay 0.8',
        lpr: { ema: 'official', emaDecay: 0.8 },
        paper: NOT_REPORTED,
      },
      { title: 'kept on the unit sphere', lpr: { unitBallConstraint: true }, paper: NOT_REPORTED },
      { title: 'start on the unit sphere', lpr: { prototypeStart: 'sphere' }, paper: NOT_REPORTED },
      { title: 'start from N(0, I)', lpr: { prototypeStart: 'normal' }, paper: NOT_REPORTED },
      { title: 'start at right angles', lpr: { prototypeStart: 'orthogonal' }, paper: NOT_REPORTED },
    ],
  },
};
