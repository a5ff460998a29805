/**
 * Figures of load balance over the experts of one layer, and their summary over layers.
 *
 * Input is always a plain array of loads, one entry per expert: exact counts of tokens, or any finite numbers >= 0
 * (averages, gate mass). With `c` the loads, `M` their number, `q = c / sum c`:
 *
 * | figure | balanced | collapsed onto one expert |
 * |---|---|---|
 * | `gini` | 0 | `(M - 1) / M` |
 * | `minMax` | 1 | 0 |
 * | `coefficientOfVariation` | 0 | `sqrt(M - 1)` |
 * | `entropy` | 1 | 0 |
 * | `effectiveExperts` | M | 1 |
 * | `klToUniform` | 0 | `ln M` |
 * | `deadFraction` | 0 | `(M - 1) / M` |
 * | `maxViolation` | 0 | `M - 1` |
 *
 * All but `variance` do not change when the loads are scaled. Where every load is 0 (no token was routed) the shares
 * `q` do not exist: every figure that needs them is then `NaN`, which JSON writes as `null`.
 */

/** Loads of one layer, one entry per expert. */
export type Counts = ArrayLike<number>;

/** Throws a `RangeError` unless there is at least one expert and every load is a finite number >= 0. */
export function checkCounts(counts: Counts, name: string = 'counts'): void {
  if (counts.length === 0) {
    throw new RangeError(`${name} is empty; it needs one load per expert, so at least one entry`);
  }
  for (let expert = 0; expert < counts.length; expert++) {
    const load = counts[expert]!;
    if (!(load >= 0 && load < Infinity)) {
      throw new RangeError(`${name}[${expert}] is ${load}; a load is a finite number >= 0`);
    }
  }
}

/**
 * Gini coefficient, `sum_i (2i - M - 1) c_(i) / (M sum c)` over the loads in ascending order, `i` from 1
 * (LPR paper, arXiv 2506.21328, eq. 25). From 0 (all equal) to `(M - 1) / M` (one expert has all). `NaN` without load.
 */
export function gini(counts: Counts): number {
  checkCounts(counts);
  const ascending = Float64Array.from(counts).toSorted();
  const experts = ascending.length;
  let weighted = 0;
  let total = 0;
  for (let i = 0; i < experts; i++) {
    const load = ascending[i]!;
    weighted += (2 * (i + 1) - experts - 1) * load;
    total += load;
  }
  return Math.max(0, weighted / (experts * total));
}

/**
 * Smallest load over the largest, `min c / (max c + epsilon)` (LPR paper, eq. 26). 0 as soon as one expert is dead,
 * also when all are.
 *
 * @param epsilon the paper's guard against division by zero. Default 0: with an epsilon the figure depends on the scale
 * of the loads.
 */
export function minMax(counts: Counts, epsilon: number = 0): number {
  checkCounts(counts);
  let min = Infinity;
  let max = 0;
  for (let expert = 0; expert < counts.length; expert++) {
    const load = counts[expert]!;
    min = Math.min(min, load);
    max = Math.max(max, load);
  }
  return max === 0 ? 0 : min / (max + epsilon);
}

/**
 * Variance of the loads, in squared units of load: `sum (c - mean)^2 / (M - ddof)`.
 *
 * @param ddof degrees of freedom taken off the divisor: 0 (default) for the experts as the whole population, 1 for the
 * sample variance that `torch.var` computes. With 1, a single expert gives `NaN`.
 */
export function variance(counts: Counts, ddof: 0 | 1 = 0): number {
  checkCounts(counts);
  const mean = sum(counts) / counts.length;
  let squares = 0;
  for (let expert = 0; expert < counts.length; expert++) {
    squares += (counts[expert]! - mean) ** 2;
  }
  return squares / (counts.length - ddof);
}

/**
 * Coefficient of variation: standard deviation over mean. `NaN` without load.
 *
 * @param ddof as in `variance`: 0 by default; the code released with the LPR paper uses 1.
 */
export function coefficientOfVariation(counts: Counts, ddof: 0 | 1 = 0): number {
  return Math.sqrt(variance(counts, ddof)) / (sum(counts) / counts.length);
}

/**
 * Entropy of the shares, `H(q) = -sum q ln q`, over its maximum `ln M`: from 0 to 1 (1 for a single expert). `NaN`
 * without load.
 */
export function entropy(counts: Counts): number {
  const nats = entropyInNats(counts);
  if (counts.length === 1) return Number.isNaN(nats) ? nats : 1;
  return nats / Math.log(counts.length);
}

/** How many equally loaded experts would have the same entropy: `exp H(q)`, from 1 to M. `NaN` without load. */
export function effectiveExperts(counts: Counts): number {
  return Math.exp(entropyInNats(counts));
}

/** Kullback-Leibler divergence of the shares from uniform ones, `ln M - H(q)`, in nats. `NaN` without load. */
export function klToUniform(counts: Counts): number {
  return Math.max(0, Math.log(counts.length) - entropyInNats(counts));
}

/** Number of experts with load 0. It depends on the window: with fewer tokens than experts some are always dead. */
export function deadExperts(counts: Counts): number {
  checkCounts(counts);
  let dead = 0;
  for (let expert = 0; expert < counts.length; expert++) {
    if (counts[expert] === 0) dead++;
  }
  return dead;
}

/** Share of the experts with load 0, from 0 to 1. */
export function deadFraction(counts: Counts): number {
  return deadExperts(counts) / counts.length;
}

/**
 * MaxVio, `(max c - mean c) / mean c` (Wang et al. 2024, auxiliary-loss-free load balancing, arXiv 2408.15664): how far
 * the busiest expert is above its fair share. From 0 to `M - 1`; `NaN` without load.
 */
export function maxViolation(counts: Counts): number {
  checkCounts(counts);
  const mean = sum(counts) / counts.length;
  let max = 0;
  for (let expert = 0; expert < counts.length; expert++) {
    max = Math.max(max, counts[expert]!);
  }
  return (max - mean) / mean;
}

/** MaxVio of a layer over several batches. */
export interface MaxViolations {
  /** Of each batch by itself, the mean over batches: MaxVio_batch. What a step waits for. */
  readonly batch: number;
  /** Of the worst batch. */
  readonly worstBatch: number;
  /**
   * Of all batches together: MaxVio_global, at most `batch` where batches have equally many tokens. What an expert sees
   * of the data.
   */
  readonly global: number;
}

/**
 * MaxVio per batch and over all of them (Wang et al. 2024, section 4); each array of loads is one batch. OLMo logs
 * these figures plus 1.
 */
export function maxViolations(batches: readonly Counts[]): MaxViolations {
  const [first] = batches;
  if (first === undefined) throw new RangeError('batches is empty; it needs the loads of at least one batch');
  const all = new Float64Array(first.length);
  const each = batches.map((counts, i) => {
    if (counts.length !== all.length) {
      throw new RangeError(`batches[${i}] has ${counts.length} entries, but batches[0] has ${all.length}`);
    }
    for (let expert = 0; expert < all.length; expert++) all[expert]! += counts[expert]!;
    return maxViolation(counts);
  });
  return { batch: sum(each) / each.length, worstBatch: Math.max(...each), global: maxViolation(all) };
}

/** Every figure of one layer; the functions of the same names say what each is. */
export interface BalanceReport {
  readonly gini: number;
  readonly minMax: number;
  /** With ddof 0. */
  readonly coefficientOfVariation: number;
  readonly entropy: number;
  readonly effectiveExperts: number;
  /** In nats. */
  readonly klToUniform: number;
  readonly deadExperts: number;
  readonly deadFraction: number;
  readonly maxViolation: number;
  /** With ddof 0, in squared units of load. */
  readonly variance: number;
}

/** All figures of one layer's loads. */
export function balanceReport(counts: Counts): BalanceReport {
  return {
    gini: gini(counts),
    minMax: minMax(counts),
    coefficientOfVariation: coefficientOfVariation(counts),
    entropy: entropy(counts),
    effectiveExperts: effectiveExperts(counts),
    klToUniform: klToUniform(counts),
    deadExperts: deadExperts(counts),
    deadFraction: deadFraction(counts),
    maxViolation: maxViolation(counts),
    variance: variance(counts),
  };
}

/** The figures of several layers. */
export interface LayersReport {
  readonly layers: readonly BalanceReport[];
  /**
   * Each figure averaged over the layers. Loads are never pooled: that would hide layers that are imbalanced
   * oppositely.
   */
  readonly mean: BalanceReport;
  /** Each figure at its least balanced layer (which may differ from figure to figure). */
  readonly worst: BalanceReport;
}

/**
 * The figures of each layer, with mean and worst over layers.
 *
 * @param countsPerLayer one array of loads per layer; at least one layer.
 */
export function layersReport(countsPerLayer: readonly Counts[]): LayersReport {
  const layers = countsPerLayer.map((counts, layer) => {
    checkCounts(counts, `countsPerLayer[${layer}]`);
    return balanceReport(counts);
  });
  return { layers, mean: meanReport(layers), worst: combine(layers, leastBalanced) };
}

/** Each figure averaged over the given reports; at least one. */
export function meanReport(reports: readonly BalanceReport[]): BalanceReport {
  return combine(reports, (values) => sum(values) / values.length);
}

/** Figures that grow with balance; all others grow with imbalance. */
const GROWS_WITH_BALANCE: ReadonlySet<keyof BalanceReport> = new Set(['minMax', 'entropy', 'effectiveExperts']);

function leastBalanced(values: readonly number[], figure: keyof BalanceReport): number {
  return GROWS_WITH_BALANCE.has(figure) ? Math.min(...values) : Math.max(...values);
}

function combine(
  reports: readonly BalanceReport[],
  over: (values: readonly number[], figure: keyof BalanceReport) => number,
): BalanceReport {
  if (reports.length === 0) throw new RangeError('a report needs the loads of at least one layer, got none');
  const of = (figure: keyof BalanceReport): number =>
    over(
      reports.map((report) => report[figure]),
      figure,
    );
  return {
    gini: of('gini'),
    minMax: of('minMax'),
    coefficientOfVariation: of('coefficientOfVariation'),
    entropy: of('entropy'),
    effectiveExperts: of('effectiveExperts'),
    klToUniform: of('klToUniform'),
    deadExperts: of('deadExperts'),
    deadFraction: of('deadFraction'),
    maxViolation: of('maxViolation'),
    variance: of('variance'),
  };
}

function entropyInNats(counts: Counts): number {
  checkCounts(counts);
  const total = sum(counts);
  if (total === 0) return Number.NaN;
  let nats = 0;
  for (let expert = 0; expert < counts.length; expert++) {
    const share = counts[expert]! / total;
    if (share > 0) nats -= share * Math.log(share);
  }
  return nats;
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}
