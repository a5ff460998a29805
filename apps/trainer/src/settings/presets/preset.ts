import type { Settings } from '../schema.ts';

/** Named settings; what they leave out, options decide. */
export interface Preset {
  readonly description: string;
  readonly settings: Pick<Settings, 'size' | 'data' | 'training' | 'evaluation'> &
    Partial<Pick<Settings, 'architecture' | 'router' | 'model'>> & {
      readonly lpr?: Partial<NonNullable<Settings['lpr']>>;
    };
}

/** Schedule, decay and clipping as the LPR paper trains (arXiv 2506.21328, table 8). */
export const PAPER_TRAINING = {
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
} as const;

/** The State of the Union addresses, which come along, and a tokenizer of their own. */
export const ADDRESSES = { sources: [{ type: 'state-of-the-union' }], tokenizer: 'train' } as const;

/** Evaluation at the end alone, with traces for figures of specialisation. */
export const AT_THE_END = { sources: [], every: null, patience: null, traceTokens: 4096 } as const;
