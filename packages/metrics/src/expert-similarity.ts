/**
 * How alike the experts of a layer are: linear centred kernel alignment of what they make of the same tokens (Kornblith
 * et al. 2019, Similarity of Neural Network Representations Revisited, arXiv 1905.00414, section 3).
 *
 * With X and Y the outputs `[tokens, width]` of two experts, each column less its mean, and K = X X^T, L = Y Y^T:
 *
 *     CKA = |Y^T X|^2 / (|X^T X| |Y^T Y|) = <K, L> / (|K| |L|)
 *
 * in Frobenius norms. From 0 to 1, and 1 where one is the other turned and scaled. It is above 0 for outputs that have
 * nothing to do with each other, the more so the fewer the tokens are against the directions that outputs use: each
 * pair is to be read beside the mean over all ways to pair the tokens of one with those of the other,
 *
 *     tr K tr L / ((n - 1) |K| |L|)
 *
 * which is exact: over all permutations P of n tokens the mean of P L P^T is `tr L / (n - 1)` times the matrix that
 * takes means off.
 */
import { sum } from './arrays.ts';
import { checkMatrix, type Matrix } from './matrix.ts';

/** How alike the experts of one layer are, pair by pair. */
export interface ExpertSimilarity {
  /** `[M][M]`, symmetric, 1 on the diagonal; `NaN` for an expert that makes the same of every token. */
  readonly similarity: Float64Array[];
  /** `[M][M]`: what the pair has on average where the tokens of one are paired with those of the other at random. */
  readonly independent: Float64Array[];
}

/**
 * Linear CKA of all pairs of experts, and its level under independence.
 *
 * Takes `M n^2 / 2` numbers of 4 bytes, and time in proportion to `M n^2 (D + M)`; a few hundred tokens do.
 *
 * @param outputs of each expert `[tokens, width]`, of the same tokens; at least two tokens, and widths may differ
 */
export function expertSimilarity(outputs: readonly Matrix[]): ExpertSimilarity {
  const [first] = outputs;
  if (first === undefined) throw new RangeError('outputs is empty; it needs those of at least one expert');
  const tokens = first.rows;
  if (tokens < 2) throw new RangeError(`outputs[0] has ${tokens} rows; similarity needs at least two tokens`);
  const experts = outputs.map((output, i) => {
    checkMatrix(`outputs[${i}]`, output);
    if (output.rows !== tokens) {
      throw new RangeError(`outputs[${i}] has ${output.rows} rows, but outputs[0] has ${tokens}; give the same tokens`);
    }
    return kernelOf(output);
  });
  const table = (of: (i: number, j: number) => number): Float64Array[] => {
    const rows = experts.map(() => new Float64Array(experts.length));
    for (const [i, row] of rows.entries()) {
      for (let j = 0; j <= i; j++) {
        row[j] = of(i, j);
        rows[j]![i] = row[j]!;
      }
    }
    return rows;
  };
  return {
    similarity: table((i, j) => {
      if (i === j) return experts[i]!.dimensions > 0 ? 1 : Number.NaN;
      // Rounding takes equal ones a little beyond 1.
      return Math.min(1, dot(experts[i]!.kernel, experts[j]!.kernel));
    }),
    independent: table((i, j) => Math.sqrt(experts[i]!.dimensions * experts[j]!.dimensions) / (tokens - 1)),
  };
}

/** Mean over the pairs of different experts, those that are `NaN` left out; `NaN` where there is none. */
export function meanOverPairs(values: readonly Float64Array[]): number {
  const pairs = values.flatMap((row, i) => Array.from(row.subarray(0, i)).filter((value) => !Number.isNaN(value)));
  return sum(pairs) / pairs.length;
}

interface Kernel {
  /**
   * Triangle of K / |K| row by row, what is off the diagonal times sqrt 2, so that the dot product of two triangles is
   * that of the matrices. `NaN` where K is 0.
   */
  readonly kernel: Float32Array;
  /** `(tr K / |K|)^2`: how many directions of equal variance would have this kernel; `NaN` where K is 0. */
  readonly dimensions: number;
}

function kernelOf({ rows, columns, values }: Matrix): Kernel {
  const centred = Float64Array.from(values);
  for (let column = 0; column < columns; column++) {
    let mean = 0;
    for (let row = 0; row < rows; row++) mean += centred[row * columns + column]! / rows;
    for (let row = 0; row < rows; row++) centred[row * columns + column]! -= mean;
  }
  const triangle = new Float64Array((rows * (rows + 1)) / 2);
  let [trace, squares] = [0, 0];
  for (let i = 0, at = 0; i < rows; i++) {
    for (let j = 0; j <= i; j++, at++) {
      let product = 0;
      for (let d = 0; d < columns; d++) product += centred[i * columns + d]! * centred[j * columns + d]!;
      triangle[at] = i === j ? product : Math.SQRT2 * product;
      squares += triangle[at]! ** 2;
      if (i === j) trace += product;
    }
  }
  // What is left of a constant by rounding is no direction.
  const size = Math.sqrt(squares) > 1e-12 * sumOfSquares(values) ? Math.sqrt(squares) : Number.NaN;
  return { kernel: Float32Array.from(triangle, (value) => value / size), dimensions: (trace / size) ** 2 };
}

function sumOfSquares(values: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += values[i]! ** 2;
  return squares;
}

function dot(a: Float32Array, b: Float32Array): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!;
  return total;
}
