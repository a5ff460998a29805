/**
 * Measures of load balance over the experts of one layer. What they are called, and all of them together, is in
 * `balance-measures.ts`.
 *
 * Input is always a plain array of loads, one entry per expert: exact counts of tokens, or any finite numbers >= 0
 * (averages, gate mass). With `c` the loads, `M` their number, `q = c / sum c`:
 *
 * | measure | balanced | collapsed onto one expert |
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
 * `q` do not exist: every measure that needs them is then `NaN`, which JSON writes as `null`.
 */
import { largest, mean, smallest, sum } from './arrays.ts';
import { checkCounts, type Counts } from './counts.ts';

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
 * @param epsilon the paper's guard against division by zero. Default 0: with an epsilon the measure depends on the
 * scale of the loads.
 */
export function minMax(counts: Counts, epsilon: number = 0): number {
  checkCounts(counts);
  const max = largest(counts);
  return max === 0 ? 0 : smallest(counts) / (max + epsilon);
}

/**
 * Variance of the loads, in squared units of load: `sum (c - mean)^2 / (M - ddof)`.
 *
 * @param ddof degrees of freedom taken off the divisor: 0 (default) for the experts as the whole population, 1 for the
 * sample variance that `torch.var` computes. With 1, a single expert gives `NaN`.
 */
export function variance(counts: Counts, ddof: 0 | 1 = 0): number {
  checkCounts(counts);
  const even = mean(counts);
  let squares = 0;
  for (let expert = 0; expert < counts.length; expert++) {
    squares += (counts[expert]! - even) ** 2;
  }
  return squares / (counts.length - ddof);
}

/**
 * Coefficient of variation: standard deviation over mean. `NaN` without load.
 *
 * @param ddof as in `variance`: 0 by default; the code released with the LPR paper uses 1.
 */
export function coefficientOfVariation(counts: Counts, ddof: 0 | 1 = 0): number {
  return Math.sqrt(variance(counts, ddof)) / mean(counts);
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
  const fairShare = mean(counts);
  return (largest(counts) - fairShare) / fairShare;
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
 * these measures plus 1.
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
  return { batch: mean(each), worstBatch: largest(each), global: maxViolation(all) };
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
