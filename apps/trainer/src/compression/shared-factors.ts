/**
 * The best common factor of several matrices: `W_e` is nearly `B_e A` with one A for all. Stacked on each other they
 * are one matrix, whose truncated singular value decomposition is the nearest of its rank (Eckart and Young 1936); its
 * right singular vectors are A, so the rows of A are orthonormal, and `B_e = W_e A^T`.
 */
import { type Matrix, symmetricEigen } from '@lpr/metrics';

export interface SharedFactors {
  /** A `[rank, columns]`. */
  readonly shared: Float32Array;
  /** B of each matrix, `[rows, rank]`. */
  readonly own: readonly Float32Array[];
  /** `sqrt(sum |W - B A|^2 / sum |W|^2)`, over all matrices; 0 where all are 0. */
  readonly error: number;
}

/** Matrices of one shape; `rank` is at most their number of columns. O(columns^3). */
export function sharedFactors(matrices: readonly Matrix[], rank: number): SharedFactors {
  const columns = matrices[0]?.columns ?? 0;
  if (!Number.isInteger(rank) || rank < 1 || rank > columns) {
    throw new RangeError(`sharedFactors: rank must be a whole number from 1 to ${columns}, got ${rank}`);
  }
  const { values, vectors } = symmetricEigen({ rows: columns, columns, values: gramOf(matrices, columns) });
  const kept = vectors.slice(0, rank);
  const sum = (of: Float64Array): number => of.reduce((total, value) => total + Math.max(0, value), 0);
  const total = sum(values);
  return {
    shared: Float32Array.from(kept.flatMap((vector) => Array.from(vector))),
    own: matrices.map(({ rows, values: matrix }) => {
      const own = new Float32Array(rows * rank);
      for (let row = 0; row < rows; row++) {
        kept.forEach((vector, i) => {
          let product = 0;
          for (let j = 0; j < columns; j++) product += matrix[row * columns + j]! * vector[j]!;
          own[row * rank + i] = product;
        });
      }
      return own;
    }),
    error: total === 0 ? 0 : Math.sqrt(sum(values.slice(rank)) / total),
  };
}

/** `sum_e W_e^T W_e` `[columns, columns]`. */
function gramOf(matrices: readonly Matrix[], columns: number): Float64Array {
  const gram = new Float64Array(columns * columns);
  for (const { rows, values } of matrices) {
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < columns; i++) {
        const x = values[row * columns + i]!;
        for (let j = i; j < columns; j++) gram[i * columns + j]! += x * values[row * columns + j]!;
      }
    }
  }
  for (let i = 0; i < columns; i++) for (let j = 0; j < i; j++) gram[i * columns + j] = gram[j * columns + i]!;
  return gram;
}

/** `[columns, rows]`. */
export function transposed({ rows, columns, values }: Matrix): Matrix {
  const turned = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) turned[j * rows + i] = values[i * columns + j]!;
  return { rows: columns, columns: rows, values: turned };
}
