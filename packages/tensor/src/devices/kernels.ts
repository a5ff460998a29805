/**
 * The kernel list: every primitive that a device must run, with its arguments. A device implements `Kernels` whole, so
 * a missing kernel does not compile.
 *
 * Conventions. Buffers are contiguous, row-major and of f32 unless a name says i32. Shapes were checked by the op that
 * calls; kernels check nothing. A kernel writes the whole of each output unless it says that it accumulates. An output
 * may be the same buffer as an input only where "in place" is written. Sums are taken in a fixed order that does not
 * depend on the number of threads. Extents may be 0: nothing is then written (reductions over nothing give their
 * identity).
 *
 * Indices. Ops check the indices that came from the host; those that the device computed nobody else can see. The wasm
 * device stops at one that is out of bounds with an error that names it and its bound. The gpu device cannot stop: what
 * it then reads is any number, and it writes nothing but its outputs.
 */
import type { DeviceBuffer } from './device.ts';

/**
 * Functions of one argument. `silu(x) = x * sigmoid(x)`; `sign(0) = 0`; `softplus(x) = log(1 + e^x)`, stable for large
 * |x|. abs, sign, relu and their backwards pass NaN on.
 */
export type UnaryOp =
  | 'negate'
  | 'abs'
  | 'sign'
  | 'reciprocal'
  | 'square'
  | 'sqrt'
  | 'rsqrt'
  | 'exp'
  | 'log'
  | 'sigmoid'
  | 'silu'
  | 'relu'
  | 'tanh'
  | 'softplus';

/** Functions of two arguments; `maximum` and `minimum` give NaN when either is NaN. Comparisons give 1 or 0. */
export type BinaryOp = 'add' | 'subtract' | 'multiply' | 'divide' | 'maximum' | 'minimum' | 'greater' | 'equal';

export type ReduceOp = 'sum' | 'max' | 'min';

/** One tensor among several that a kernel treats alike. */
export interface AdamWSegment {
  readonly parameter: DeviceBuffer;
  readonly gradient: DeviceBuffer;
  readonly firstMoment: DeviceBuffer;
  readonly secondMoment: DeviceBuffer;
  readonly count: number;
  readonly weightDecay: number;
}

/** What attention and its backward read, or attention writes. */
export interface AttentionArguments {
  readonly q: DeviceBuffer;
  readonly k: DeviceBuffer;
  readonly v: DeviceBuffer;
  readonly out: DeviceBuffer;
  readonly logSumExp: DeviceBuffer;
  readonly batch: number;
  readonly sequence: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly headDim: number;
  readonly valueDim: number;
  readonly scale: number;
}

export interface Kernels {
  // ---- elementwise -------------------------------------------------------------------------------------------------

  /** `out[i] = value`. With `integer`, the buffer is of i32. */
  fill(a: { out: DeviceBuffer; value: number; count: number; integer: boolean }): void;
  /** `out[i] = scale * x[i] + shift`. May run in place. */
  affine(a: { x: DeviceBuffer; out: DeviceBuffer; scale: number; shift: number; count: number }): void;
  /** `out[i] = op(x[i])`. May run in place. */
  unary(a: { op: UnaryOp; x: DeviceBuffer; out: DeviceBuffer; count: number }): void;
  /** `out[i] = gradient[i] * op'(x[i])`; `y = op(x)` is given since many derivatives are cheapest from it. */
  unaryBackward(a: {
    op: UnaryOp;
    x: DeviceBuffer;
    y: DeviceBuffer;
    gradient: DeviceBuffer;
    out: DeviceBuffer;
    count: number;
  }): void;
  /**
   * `out = op(a, b)` with broadcasting. `shape` is the shape of `out`, at most 6 axes; strides are in elements, 0 along
   * stretched axes. The op merges axes that can be merged, so that same shapes arrive as one axis and a row as two.
   */
  binary(a: {
    op: BinaryOp;
    a: DeviceBuffer;
    b: DeviceBuffer;
    out: DeviceBuffer;
    shape: readonly number[];
    aStrides: readonly number[];
    bStrides: readonly number[];
  }): void;
  /** Between f32 and i32 (towards zero). */
  cast(a: { x: DeviceBuffer; out: DeviceBuffer; count: number; to: 'f32' | 'i32' }): void;

  // ---- moving data (f32 and i32 alike) -----------------------------------------------------------------------------

  /**
   * Copies between two strided boxes of the same `shape` (at most 6 axes): permutations, slices, concatenation,
   * stretching. Elements of `out` outside the box keep their value.
   */
  stridedCopy(a: {
    x: DeviceBuffer;
    xOffset: number;
    xStrides: readonly number[];
    out: DeviceBuffer;
    outOffset: number;
    outStrides: readonly number[];
    shape: readonly number[];
  }): void;

  // ---- reductions --------------------------------------------------------------------------------------------------

  /**
   * x `[outer, length, inner]` to out `[outer, inner]`. Sums are pairwise or in lanes, so that large ones stay
   * accurate.
   */
  reduce(a: { op: ReduceOp; x: DeviceBuffer; out: DeviceBuffer; outer: number; length: number; inner: number }): void;
  /** `out[0] = sum of the squares of all elements of all xs`. */
  sumOfSquares(a: { xs: readonly { x: DeviceBuffer; count: number }[]; out: DeviceBuffer }): void;

  // ---- matrix products ---------------------------------------------------------------------------------------------

  /**
   * `out[b] (+)= op(a[b]) op(b[b])`, out `[batch, m, n]`. a is stored `[m, k]`, or `[k, m]` with transposeA; b is `[k,
   * n]`, or `[n, k]` with transposeB. A batch stride (in elements) of 0 uses one matrix for all. With `accumulate`,
   * adds to out.
   */
  matmul(a: {
    a: DeviceBuffer;
    b: DeviceBuffer;
    out: DeviceBuffer;
    batch: number;
    m: number;
    n: number;
    k: number;
    transposeA: boolean;
    transposeB: boolean;
    aBatchStride: number;
    bBatchStride: number;
    accumulate: boolean;
  }): void;
  /**
   * A matrix a group: rows `offsets[g] .. offsets[g+1]` of x `[rows, k]` times `weights[g]`, to out `[rows, n]`.
   * weights is `[groups, k, n]`, or `[groups, n, k]` with transposeWeights. offsets is i32 `[groups + 1]` on the
   * device: the host does not know the sizes. Rows from `offsets[groups]` on belong to no group: they may be left as
   * they are or get any product.
   */
  groupedMatmul(a: {
    x: DeviceBuffer;
    weights: DeviceBuffer;
    offsets: DeviceBuffer;
    out: DeviceBuffer;
    groups: number;
    rows: number;
    n: number;
    k: number;
    transposeWeights: boolean;
  }): void;
  /**
   * `out[g] = a_g^T b_g` over the group's rows: a `[rows, m]`, b `[rows, n]`, out `[groups, m, n]`; zero for an empty
   * group.
   */
  groupedMatmulTransposed(a: {
    a: DeviceBuffer;
    b: DeviceBuffer;
    offsets: DeviceBuffer;
    out: DeviceBuffer;
    groups: number;
    rows: number;
    m: number;
    n: number;
  }): void;

  // ---- layers ------------------------------------------------------------------------------------------------------

  /** `out = weight * x * inverseRms`, `inverseRms[row] = 1 / sqrt(mean(x^2) + epsilon)`; x `[rows, columns]`. */
  rmsNorm(a: {
    x: DeviceBuffer;
    weight: DeviceBuffer;
    out: DeviceBuffer;
    inverseRms: DeviceBuffer;
    rows: number;
    columns: number;
    epsilon: number;
  }): void;
  rmsNormBackward(a: {
    x: DeviceBuffer;
    weight: DeviceBuffer;
    inverseRms: DeviceBuffer;
    gradient: DeviceBuffer;
    gradX: DeviceBuffer;
    gradWeight: DeviceBuffer;
    rows: number;
    columns: number;
  }): void;
  /** `out = weight * (x - mean) * inverseStd + bias`, variance with 1/columns. */
  layerNorm(a: {
    x: DeviceBuffer;
    weight: DeviceBuffer;
    bias: DeviceBuffer;
    out: DeviceBuffer;
    mean: DeviceBuffer;
    inverseStd: DeviceBuffer;
    rows: number;
    columns: number;
    epsilon: number;
  }): void;
  layerNormBackward(a: {
    x: DeviceBuffer;
    weight: DeviceBuffer;
    mean: DeviceBuffer;
    inverseStd: DeviceBuffer;
    gradient: DeviceBuffer;
    gradX: DeviceBuffer;
    gradWeight: DeviceBuffer;
    gradBias: DeviceBuffer;
    rows: number;
    columns: number;
  }): void;
  /** Over the last axis, stable; a row of minus infinities gives NaN as IEEE says. */
  softmax(a: { x: DeviceBuffer; out: DeviceBuffer; rows: number; columns: number }): void;
  /** `out = y * (gradient - sum(gradient * y))`. */
  softmaxBackward(a: {
    y: DeviceBuffer;
    gradient: DeviceBuffer;
    out: DeviceBuffer;
    rows: number;
    columns: number;
  }): void;
  /** `out[row] = log(sum(exp(x[row])))`, stable; infinite where the largest element is. */
  logSumExp(a: { x: DeviceBuffer; out: DeviceBuffer; rows: number; columns: number }): void;
  /** `out = silu(gate) * up`; x `[rows, 2 width]` holds gate, then up; out `[rows, width]`. */
  swiGlu(a: { x: DeviceBuffer; out: DeviceBuffer; rows: number; width: number }): void;
  swiGluBackward(a: {
    x: DeviceBuffer;
    gradient: DeviceBuffer;
    gradX: DeviceBuffer;
    rows: number;
    width: number;
  }): void;
  /**
   * Rotary position embedding of x `[batch, sequence, heads, headDim]` with cos, sin `[at least offset + sequence,
   * headDim/2]`; position is the index in the sequence plus `offset`. Half rotation pairs channel i with i + headDim/2;
   * `interleaved` pairs 2i with 2i + 1 and, as Hugging Face does, writes the result in half order. `inverse` is the
   * transpose (the backward): for interleaved it reads half order and writes pairs.
   */
  rope(a: {
    x: DeviceBuffer;
    cos: DeviceBuffer;
    sin: DeviceBuffer;
    out: DeviceBuffer;
    batch: number;
    sequence: number;
    heads: number;
    headDim: number;
    offset: number;
    interleaved: boolean;
    inverse: boolean;
  }): void;
  /**
   * Causal grouped-query attention. q `[batch, sequence, heads, headDim]`, k `[batch, sequence, keyHeads, headDim]`, v
   * `[.., keyHeads, valueDim]`, out `[batch, sequence, heads, valueDim]`, logSumExp `[batch, heads, sequence]` of the
   * scaled scores. Query head h reads key head `floor(h * keyHeads / heads)`.
   */
  attention(a: AttentionArguments): void;
  attentionBackward(
    a: AttentionArguments & {
      gradient: DeviceBuffer;
      gradQ: DeviceBuffer;
      gradK: DeviceBuffer;
      gradV: DeviceBuffer;
    },
  ): void;

  // ---- loss --------------------------------------------------------------------------------------------------------

  /** `out[0] = number of labels that are not ignoredLabel`; labels i32 `[rows]`. */
  countLabels(a: { labels: DeviceBuffer; out: DeviceBuffer; rows: number; ignoredLabel: number }): void;
  /**
   * `losses[row] = logSumExp(logits[row]) - logits[row, label]`, 0 where the label is ignored. When `scale` is given
   * (one number on the device), logits are overwritten by their gradient times `scale[0]`: `(softmax - onehot) *
   * scale`, 0 for ignored rows.
   */
  softmaxCrossEntropy(a: {
    logits: DeviceBuffer;
    labels: DeviceBuffer;
    labelOffset: number;
    losses: DeviceBuffer;
    lossOffset: number;
    scale: DeviceBuffer | null;
    rows: number;
    columns: number;
    ignoredLabel: number;
  }): void;

  // ---- rows, segments, selection -----------------------------------------------------------------------------------

  /**
   * The k largest of each row of x `[rows, columns]`, descending, the lowest index first among equals (NaN counts as
   * the largest): values `[rows, k]`, indices i32 `[rows, k]`.
   */
  topK(a: {
    x: DeviceBuffer;
    values: DeviceBuffer;
    indices: DeviceBuffer;
    rows: number;
    columns: number;
    k: number;
  }): void;
  /** `out[row, j] = x[row, indices[row, j]]`; x `[rows, columns]`, indices i32 `[rows, k]`. */
  takeAlongRows(a: {
    x: DeviceBuffer;
    indices: DeviceBuffer;
    out: DeviceBuffer;
    rows: number;
    columns: number;
    k: number;
  }): void;
  /** out `[rows, columns]` = `fill` but `out[row, indices[row, j]] = x[row, j]`; indices of a row are distinct. */
  scatterAlongRows(a: {
    x: DeviceBuffer;
    indices: DeviceBuffer;
    out: DeviceBuffer;
    fill: number;
    rows: number;
    columns: number;
    k: number;
  }): void;
  /**
   * `out[i] = table[floor(indices[i] / divisor)]`, rows of `columns`; indices i32 `[rows]`. With `weights`, times
   * `weights[indices[i]]`. table has `height` rows.
   */
  gatherRows(a: {
    table: DeviceBuffer;
    height: number;
    indices: DeviceBuffer;
    divisor: number;
    weights: DeviceBuffer | null;
    out: DeviceBuffer;
    rows: number;
    columns: number;
  }): void;
  /**
   * `out[t] = sum_j x[positions[t, j]]`, with `weights` `[rows, k]` times `weights[t, j]`; x `[height, columns]`,
   * positions i32 `[rows, k]`, out `[rows, columns]`.
   */
  gatherSum(a: {
    x: DeviceBuffer;
    height: number;
    positions: DeviceBuffer;
    weights: DeviceBuffer | null;
    out: DeviceBuffer;
    rows: number;
    k: number;
    columns: number;
  }): void;
  /** `out[t, j] = dot(a[t], x[positions[t, j]])`; a `[rows, columns]`, x `[height, columns]`, out `[rows, k]`. */
  gatherDot(a: {
    a: DeviceBuffer;
    x: DeviceBuffer;
    height: number;
    positions: DeviceBuffer;
    out: DeviceBuffer;
    rows: number;
    k: number;
    columns: number;
  }): void;
  /**
   * Stable counting sort of keys i32 `[count]` in `[0, segments)`: counts i32 `[segments]`, offsets i32 `[segments +
   * 1]`, order i32 `[count]` (order[p] = index of the key at sorted place p), inverse i32 `[count]` (inverse[order[p]]
   * = p).
   */
  segmentPlan(a: {
    keys: DeviceBuffer;
    counts: DeviceBuffer;
    offsets: DeviceBuffer;
    order: DeviceBuffer;
    inverse: DeviceBuffer;
    count: number;
    segments: number;
  }): void;
  /**
   * `out[s] = sum over p in [offsets[s], offsets[s+1]) of x[floor(order[p] / divisor)]`; x `[height, columns]`, out
   * `[segments, columns]`.
   */
  segmentSum(a: {
    x: DeviceBuffer;
    height: number;
    order: DeviceBuffer;
    offsets: DeviceBuffer;
    divisor: number;
    out: DeviceBuffer;
    segments: number;
    columns: number;
  }): void;

  // ---- random numbers and optimiser --------------------------------------------------------------------------------

  /**
   * Philox4x32-10 (Salmon et al. 2011) with the 64-bit key `[keyLow, keyHigh]`: block b of the counter gives outputs 4b
   * .. 4b+3, counter = (b, 0, 0, 0). uniform: `(u >>> 8) * 2^-24`, in [0, 1). normal: Box-Muller on the pairs (0, 1),
   * (2, 3) of a block: `sqrt(-2 ln(((u0 >>> 8) + 1) * 2^-24)) * {cos, sin}(2 pi (u1 >>> 8) * 2^-24)`.
   */
  random(a: {
    out: DeviceBuffer;
    distribution: 'uniform' | 'normal';
    count: number;
    keyLow: number;
    keyHigh: number;
  }): void;
  /**
   * Decoupled weight decay, then Adam, over all segments in one pass: `g = gradient * gradientScale[0]` (1 when null);
   * `p *= 1 - lr * wd`; `m = b1 m + (1-b1) g`; `v = b2 v + (1-b2) g^2`; `p -= lr * (m / c1) / (sqrt(v / c2) +
   * epsilon)`, `c = 1 - b^step`.
   */
  adamW(a: {
    segments: readonly AdamWSegment[];
    gradientScale: DeviceBuffer | null;
    learningRate: number;
    beta1: number;
    beta2: number;
    epsilon: number;
    /** Counted from 1. */
    step: number;
  }): void;
}
