/**
 * The health of a router: how decided it is, whether its logits or biases run away, and whether latents and prototypes
 * use the space they have. Each measure is a pure function of plain numbers of one layer; over layers, look at each.
 */
import { largest, norm, smallest } from './arrays.ts';
import { effectiveExperts } from './balance.ts';
import { checkCounts } from './counts.ts';
import { checkMatrix, covarianceOf, type Matrix, symmetricEigen } from './matrix.ts';

/** How decided a router is about its tokens. Each measure is a mean over tokens unless it says otherwise. */
export interface ScoreReport {
  /**
   * Entropy of the softmax over all scores, over its maximum `ln M`: from 0 (certain) to 1 (even). 1 for a single
   * expert.
   */
  readonly tokenEntropy: number;
  /** Best score less the second best, at least 0. `NaN` for a single expert. */
  readonly topMargin: number;
  /** k-th best score less the next, at least 0: how far a token is from being sent elsewhere. `NaN` where k is M. */
  readonly selectionGap: number;
  /** Smallest such gap of any token. */
  readonly smallestSelectionGap: number;
  /** Root mean square of all scores. */
  readonly rms: number;
  /** `mean logSumExp(scores)^2`, the z-loss (ST-MoE, arXiv 2202.08906, equation 5). */
  readonly zLoss: number;
}

/**
 * Measures of the scores `[tokens, M]` of a layer: logits, or what else the softmax is taken of. Adding a number to all
 * scores of a token changes `rms` and `zLoss` alone; the order of tokens and of experts does not matter.
 *
 * @param topK k, from 1 to M.
 */
export function scoreReport(scores: Matrix, topK: number): ScoreReport {
  checkMatrix('scores', scores);
  const { rows: tokens, columns: experts, values } = scores;
  if (!(Number.isInteger(topK) && topK >= 1 && topK <= experts)) {
    throw new RangeError(`topK is ${topK}; it must be an integer from 1 to the ${experts} experts`);
  }
  const sums = { entropy: 0, margin: 0, gap: 0, squares: 0, z: 0 };
  let smallestGap = Infinity;
  const descending = new Float64Array(experts);
  for (let token = 0; token < tokens; token++) {
    for (let expert = 0; expert < experts; expert++) descending[expert] = -values[token * experts + expert]!;
    // Sorting the negatives ascending; typed arrays sort by value.
    descending.sort();
    const score = (rank: number): number => -descending[rank]!;
    let mass = 0;
    let weighted = 0;
    for (let rank = 0; rank < experts; rank++) {
      const below = score(rank) - score(0);
      mass += Math.exp(below);
      weighted += Math.exp(below) * below;
      sums.squares += score(rank) ** 2;
    }
    sums.entropy += Math.log(mass) - weighted / mass;
    sums.z += (score(0) + Math.log(mass)) ** 2;
    sums.margin += score(0) - score(1);
    const gap = score(topK - 1) - score(topK);
    sums.gap += gap;
    smallestGap = Math.min(smallestGap, gap);
  }
  return {
    tokenEntropy: experts === 1 ? 1 : Math.min(1, sums.entropy / tokens / Math.log(experts)),
    topMargin: sums.margin / tokens,
    selectionGap: sums.gap / tokens,
    smallestSelectionGap: smallestGap,
    rms: Math.sqrt(sums.squares / (tokens * experts)),
    zLoss: sums.z / tokens,
  };
}

/** Largest less smallest bias of the experts, at least 0: the strength that balancing by a selection bias needs. */
export function biasRange(bias: ArrayLike<number>): number {
  checkMatrix('bias', { rows: 1, columns: bias.length, values: bias });
  return largest(bias) - smallest(bias);
}

/** How latents fill their space. */
export interface LatentReport {
  /** Mean Euclidean norm. */
  readonly norm: number;
  /**
   * Of the covariance (divided by N), the largest first; D of them, at least 0 but for rounding. Their sum is the total
   * variance.
   */
  readonly eigenvalues: Float64Array;
  /**
   * `exp` of the entropy of the eigenvalues' shares (Roy and Vetterli 2007): from 1 (a line) to D (all directions
   * alike). `NaN` when all latents are equal.
   */
  readonly effectiveRank: number;
}

/** Measures of the latents `[tokens, D]` of a layer. A rotation of the space changes none of them. */
export function latentReport(latents: Matrix): LatentReport {
  checkMatrix('latents', latents);
  const { rows, columns: width, values } = latents;
  const own = Float64Array.from(values);
  let meanNorm = 0;
  for (let row = 0; row < rows; row++) meanNorm += norm(own.subarray(row * width, (row + 1) * width)) / rows;
  const { values: eigenvalues } = symmetricEigen(covarianceOf(latents).covariance);
  return { norm: meanNorm, eigenvalues, effectiveRank: effectiveRank(eigenvalues) };
}

/**
 * `exp H` of the shares of eigenvalues; those below 0, which rounding makes, count as 0. From 1 to their number; `NaN`
 * when all are 0.
 */
export function effectiveRank(eigenvalues: ArrayLike<number>): number {
  const variances = Float64Array.from(eigenvalues, (value) => Math.max(0, value));
  checkCounts(variances, 'eigenvalues');
  return effectiveExperts(variances);
}

/** How prototypes spread over directions. Cosines are of different rows; `NaN` for a single one. */
export interface KeyReport {
  /** Mean cosine, from -1 / (M - 1) to 1. */
  readonly mean: number;
  /** Root mean square of the cosines. */
  readonly rms: number;
  /** Largest absolute cosine: 1 where two prototypes are alike or opposite. */
  readonly largest: number;
  /**
   * The Welch bound `sqrt((M - D) / (D (M - 1)))`, 0 where M is at most D: M directions in D dimensions cannot have a
   * smaller rms, nor a smaller largest.
   */
  readonly welchFloor: number;
}

/** Measures of the prototypes `[M, D]` of a layer, by direction alone. A row of zeros has cosine 0 with all others. */
export function keyReport(keys: Matrix): KeyReport {
  checkMatrix('keys', keys);
  const { rows, columns: width, values } = keys;
  const unit = Float64Array.from(values);
  for (let row = 0; row < rows; row++) {
    const own = unit.subarray(row * width, (row + 1) * width);
    const length = norm(own);
    if (length > 0) for (let d = 0; d < width; d++) own[d]! /= length;
  }
  let [sum, squares, largestCosine] = [0, 0, 0];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < i; j++) {
      let cosine = 0;
      for (let d = 0; d < width; d++) cosine += unit[i * width + d]! * unit[j * width + d]!;
      sum += cosine;
      squares += cosine ** 2;
      largestCosine = Math.max(largestCosine, Math.abs(cosine));
    }
  }
  const pairs = (rows * (rows - 1)) / 2;
  return {
    mean: sum / pairs,
    rms: Math.sqrt(squares / pairs),
    largest: pairs === 0 ? Number.NaN : Math.min(1, largestCosine),
    welchFloor: rows <= width ? 0 : Math.sqrt((rows - width) / (width * (rows - 1))),
  };
}

/**
 * Squares of a matrix's singular values, the largest first, min(rows, columns) of them: the eigenvalues of its smaller
 * Gram matrix. Their `effectiveRank` says how many directions the rows span.
 */
export function squaredSingularValues(matrix: Matrix): Float64Array {
  checkMatrix('matrix', matrix);
  const { rows, columns, values } = matrix;
  const byRows = rows <= columns;
  const [size, length] = byRows ? [rows, columns] : [columns, rows];
  const at = (i: number, j: number): number => values[byRows ? i * columns + j : j * columns + i]!;
  const gram = new Float64Array(size * size);
  for (let a = 0; a < size; a++) {
    for (let b = 0; b <= a; b++) {
      let sum = 0;
      for (let j = 0; j < length; j++) sum += at(a, j) * at(b, j);
      gram[a * size + b] = sum;
      gram[b * size + a] = sum;
    }
  }
  return symmetricEigen({ rows: size, columns: size, values: gram }).values;
}
