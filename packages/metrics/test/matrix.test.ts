/** Matrices in cases small enough to be worked out by hand, or so scaled that rounding shows a wrong order of sums. */
import { describe, expect, test } from 'vitest';
import type { Matrix } from '../src/index.ts';
import { covarianceOf, symmetricEigen } from '../src/matrix.ts';
import { Random } from '../src/random.ts';

const matrix = (rows: readonly (readonly number[])[]): Matrix => ({
  rows: rows.length,
  columns: rows[0]!.length,
  values: rows.flat(),
});

describe('symmetricEigen', () => {
  test('gives each vector the sign that makes its largest entry positive', () => {
    const random = new Random(3);
    for (let draw = 0; draw < 20; draw++) {
      const rows = Array.from({ length: 5 }, () => Array.from({ length: 5 }, () => random.normal()));
      const { vectors } = symmetricEigen(matrix(rows.map((row, i) => row.map((x, j) => x + rows[j]![i]!))));
      for (const vector of vectors) expect(Math.max(...vector)).toBe(Math.max(...vector.map(Math.abs)));
    }
  });

  test('of a diagonal matrix: its entries in order, and their axes', () => {
    const { values, vectors } = symmetricEigen(matrix([[1, 0, 0], [0, -5, 0], [0, 0, 7]])); // biome-ignore format: a matrix
    expect(Array.from(values)).toEqual([7, 1, -5]);
    expect(vectors.map((vector) => Array.from(vector))).toEqual([[0, 0, 1], [1, 0, 0], [0, 1, 0]]); // biome-ignore format: a matrix
  });

  test('is as exact for small entries as for large ones', () => {
    for (const scale of [1e-20, 1e20]) {
      const { values } = symmetricEigen(matrix([[2 * scale, scale], [scale, 2 * scale]])); // biome-ignore format: a matrix
      expect(values[0]! / scale).toBeCloseTo(3, 12);
      expect(values[1]! / scale).toBeCloseTo(1, 12);
    }
  });

  test('allows for rounding relative to the largest entry, and for no more', () => {
    const rounded = (scale: number, off: number): Matrix => matrix([[scale, 0, 0], [0, 0, scale / 2], [0, scale / 2 + off, 0]]); // biome-ignore format: a matrix
    for (const scale of [1e-12, 1, 1e12, -1e12]) {
      expect(() => symmetricEigen(rounded(scale, 1e-10 * scale))).not.toThrow();
      expect(() => symmetricEigen(rounded(scale, 1e-8 * scale))).toThrow('must be symmetric');
    }
  });
});

describe('covarianceOf', () => {
  test('is that of deviations from the mean, in every place, however far off the mean is', () => {
    for (const [x0, y0, z0] of [
      [0, 0, 0],
      [1e9 / 7, -2e9 / 7, 3e9 / 7],
    ] as const) {
      // biome-ignore format: a list
      const rows = [[0, 3, 1], [1, 0, 1], [5, 3, -2]].map(([x, y, z]) => [x0 + x!, y0 + y!, z0 + z!]); // biome-ignore format: a matrix
      const { mean, covariance } = covarianceOf(matrix(rows));
      [x0 + 2, y0 + 2, z0].forEach((x, d) => expect(Math.abs(mean[d]! - x)).toBeLessThan(1e-5));
      // Deviations (-2, -1, 3), (1, -2, 1), (1, 1, -2).
      const expected = [14, 3, -9, 3, 6, -3, -9, -3, 6].map((x) => x / 3);
      expected.forEach((x, i) => expect(covariance.values[i]).toBeCloseTo(x, x0 === 0 ? 12 : 5));
      expect(covariance).toMatchObject({ rows: 3, columns: 3 });
    }
  });

  test('is symmetric to the last bit', () => {
    const random = new Random(6);
    const values = Array.from({ length: 35 }, () => random.normal());
    const { values: of } = covarianceOf({ rows: 7, columns: 5, values }).covariance;
    for (let i = 0; i < 25; i++) expect(of[i]).toBe(of[(i % 5) * 5 + Math.floor(i / 5)]);
  });
});
