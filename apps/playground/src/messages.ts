/** What the page and the worker of a model say to each other. A worker answers each request with one message. */
import type { Side } from './model.ts';
import type { Settings } from './settings.ts';
import type { Look, Step } from './training.ts';

/** A model to train, from its first step. */
export interface Opening {
  readonly settings: Settings;
  readonly side: Side;
  readonly text: string;
  readonly sample: string;
  /** Threads of the CPU for this model's kernels; 0: that of its worker. */
  readonly threads: number;
}

export type Request =
  | ({ readonly kind: 'open' } & Opening)
  /** A step, after which the model is looked at with a sample, or not. */
  | { readonly kind: 'step'; readonly sample: string | null }
  | { readonly kind: 'look'; readonly sample: string };

/** What a model says of itself when it is open. */
export interface Opened {
  /** What it runs on. */
  readonly device: string;
  /** The model before its first step. */
  readonly look: Look;
  /** Gini that a perfectly uniform router would show in the same window of steps. */
  readonly floor: number;
}

export interface Stepped {
  readonly step: Step;
  readonly look: Look | null;
}

export type Answer =
  | ({ readonly kind: 'opened' } & Opened)
  | ({ readonly kind: 'stepped' } & Stepped)
  | { readonly kind: 'looked'; readonly look: Look }
  /** `name` is that of the error's class. */
  | { readonly kind: 'failed'; readonly name: string; readonly message: string };
