/** Pieces of work that engines are compared at, and the numbers they work on. */

export interface Product {
  /** How many products of this shape. */
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** What to compute; the comment says on which inputs, in their order. */
export type Work =
  /** a, b. */
  | ({ readonly kind: 'matmul' } & Product)
  /** x, y `[count]`. */
  | { readonly kind: 'add'; readonly count: number }
  /** x `[count]`. */
  | { readonly kind: 'silu'; readonly count: number }
  /** x `[rows, columns]`, over the last axis. */
  | { readonly kind: 'softmax'; readonly rows: number; readonly columns: number }
  /** x `[rows, columns]`, weight, bias `[columns]`. */
  | { readonly kind: 'layerNorm'; readonly rows: number; readonly columns: number }
  /** table `[tableRows, columns]`, indices i32 `[rows]`. */
  | { readonly kind: 'gatherRows'; readonly rows: number; readonly tableRows: number; readonly columns: number }
  /** x `[rows, columns]`; the values of the k largest of each row. */
  | { readonly kind: 'topK'; readonly rows: number; readonly columns: number; readonly k: number }
  /**
   * q, k, v `[batch, sequence, heads, headDim]`, causal; with backward, also their gradients for the gradient that
   * comes fourth.
   */
  | ({ readonly kind: 'attention'; readonly backward: boolean } & AttentionSizes)
  /** parameter, gradient `[count]`; moments start at 0. No weight decay, so that it is Adam too. */
  | { readonly kind: 'adamW'; readonly count: number }
  /**
   * images `[batch, inputs]`, labels i32 `[batch]`, weights and biases of two layers. Gives the loss before the step.
   */
  | ({ readonly kind: 'mlpStep' } & MlpSizes);

export interface AttentionSizes {
  readonly batch: number;
  readonly sequence: number;
  readonly heads: number;
  readonly headDim: number;
}

export interface MlpSizes {
  readonly batch: number;
  readonly inputs: number;
  readonly hidden: number;
  readonly classes: number;
}

export type WorkOf<K extends Work['kind']> = Extract<Work, { kind: K }>;
export type Input = Float32Array | Int32Array;

/** Adam's settings, of `adamW` and `mlpStep`. */
export const ADAM = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;
export const LAYER_NORM_EPSILON = 1e-5;

export interface PreparedWork {
  run(times: number): Promise<void>;
  /** What comes out, computed once. To be asked for before anything has run: some work changes its inputs. */
  result(): Promise<Float32Array>;
}

export interface Peer {
  /** Puts the inputs where the engine wants them. Throws when the engine has no such op. */
  prepare(work: Work, inputs: readonly Input[]): Promise<PreparedWork>;
}

/** The shapes in which the operands of a product are stored, a batch of several in front. */
export function productShapes({ batch, m, n, k, transposeA, transposeB }: Product): { a: number[]; b: number[] } {
  const front = batch === 1 ? [] : [batch];
  return { a: [...front, ...(transposeA ? [k, m] : [m, k])], b: [...front, ...(transposeB ? [n, k] : [k, n])] };
}

export const noise = (length: number, scale = 1): Float32Array =>
  Float32Array.from({ length }, () => scale * (2 * Math.random() - 1));
const indices = (length: number, below: number): Int32Array =>
  Int32Array.from({ length }, () => Math.floor(Math.random() * below));

/** Random numbers for a piece of work. */
export function randomInputs(work: Work): Input[] {
  switch (work.kind) {
    case 'matmul':
      return [noise(work.batch * work.m * work.k), noise(work.batch * work.k * work.n)];
    case 'add':
      return [noise(work.count), noise(work.count)];
    case 'silu':
      return [noise(work.count, 4)];
    case 'softmax':
    case 'topK':
      return [noise(work.rows * work.columns, 4)];
    case 'layerNorm':
      return [noise(work.rows * work.columns), noise(work.columns), noise(work.columns)];
    case 'gatherRows':
      return [noise(work.tableRows * work.columns), indices(work.rows, work.tableRows)];
    case 'attention': {
      const count = work.batch * work.sequence * work.heads * work.headDim;
      return Array.from({ length: work.backward ? 4 : 3 }, () => noise(count));
    }
    case 'adamW':
      // Gradients near 0 would turn rounding into a step of another sign.
      return [noise(work.count), noise(work.count).map((value) => value + Math.sign(value))];
    case 'mlpStep': {
      const { batch, inputs, hidden, classes } = work;
      const scale = (fanIn: number): number => Math.sqrt(3 / fanIn);
      return [
        ...[noise(batch * inputs), indices(batch, classes)],
        ...[noise(inputs * hidden, scale(inputs)), noise(hidden, 0.1)],
        ...[noise(hidden * classes, scale(hidden)), noise(classes, 0.1)],
      ];
    }
  }
}

/** Whether two results are the same, up to rounding; sums of a product of length k are allowed more. */
export function agree(work: Work, x: Float32Array, y: Float32Array): boolean {
  const bound = work.kind === 'matmul' ? 1e-5 * Math.sqrt(work.k) : 2e-4;
  return x.length === y.length && x.every((value, i) => Math.abs(value - y[i]!) <= bound * (1 + Math.abs(value)));
}
