import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  biasRange,
  effectiveRank,
  keyReport,
  latentReport,
  type Matrix,
  scoreReport,
  squaredSingularValues,
} from '../src/index.ts';
import { symmetricEigen } from '../src/matrix.ts';
import { Random } from '../src/random.ts';

function matrix(rows: readonly (readonly number[])[]): Matrix {
  return { rows: rows.length, columns: rows[0]!.length, values: rows.flat() };
}

const value = fc.double({ min: -5, max: 5, noNaN: true });
const someRows = fc
  .tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 2, max: 6 }))
  .chain(([rows, columns]) =>
    fc.array(fc.array(value, { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows }),
  );

/** An orthogonal matrix: a product of rotations in random planes. */
function someRotation(size: number, random: Random): number[][] {
  let q: number[][] = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (__, j) => (i === j ? 1 : 0)),
  );
  for (let turn = 0; turn < 3 * size; turn++) {
    const [a, b, angle] = [random.below(size), random.below(size), random.normal()];
    if (a === b) continue;
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    q = q.map((row) => row.map((x, j) => (j === a ? c * x - s * row[b]! : j === b ? s * row[a]! + c * x : x)));
  }
  return q;
}

const product = (a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number[][] =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, x, k) => sum + x * b[k]![j]!, 0)));
const transposed = (a: readonly (readonly number[])[]): number[][] => a[0]!.map((_, j) => a.map((row) => row[j]!));

describe('scores', () => {
  test('against loops, and the same for any order of tokens and experts', () => {
    fc.assert(
      fc.property(someRows, fc.nat(), (rows, seed) => {
        const experts = rows[0]!.length;
        const topK = 1 + (seed % (experts - 1));
        const report = scoreReport(matrix(rows), topK);
        const perToken = rows.map((row) => {
          const descending = row.toSorted((a, b) => b - a);
          const mass = row.reduce((sum, x) => sum + Math.exp(x), 0);
          const p = row.map((x) => Math.exp(x) / mass);
          return {
            entropy: p.reduce((sum, x) => sum - (x > 0 ? x * Math.log(x) : 0), 0) / Math.log(experts),
            margin: descending[0]! - descending[1]!,
            gap: descending[topK - 1]! - descending[topK]!,
            z: Math.log(mass) ** 2,
          };
        });
        const mean = (of: keyof (typeof perToken)[number]): number =>
          perToken.reduce((sum, each) => sum + each[of], 0) / rows.length;
        expect(report.tokenEntropy).toBeCloseTo(mean('entropy'), 8);
        expect(report.topMargin).toBeCloseTo(mean('margin'), 8);
        expect(report.selectionGap).toBeCloseTo(mean('gap'), 8);
        expect(report.smallestSelectionGap).toBeCloseTo(Math.min(...perToken.map(({ gap }) => gap)), 12);
        expect(report.zLoss).toBeCloseTo(mean('z'), 8);
        expect(report.rms).toBeCloseTo(
          Math.sqrt(rows.flat().reduce((sum, x) => sum + x * x, 0) / rows.flat().length),
          8,
        );
        const turned = scoreReport(matrix(rows.toReversed().map((row) => row.toReversed())), topK);
        for (const [name, measure] of Object.entries(report))
          expect(turned[name as keyof typeof report]).toBeCloseTo(measure, 8);
        const moved = scoreReport(matrix(rows.map((row) => row.map((x) => x + 3))), topK);
        for (const name of ['tokenEntropy', 'topMargin', 'selectionGap'] as const)
          expect(moved[name]).toBeCloseTo(report[name], 6);
      }),
    );
  });

  test('extremes', () => {
    expect(scoreReport(matrix([[0, 0, 0, 0]]), 2)).toEqual({
      tokenEntropy: 1,
      topMargin: 0,
      selectionGap: 0,
      smallestSelectionGap: 0,
      rms: 0,
      zLoss: Math.log(4) ** 2,
    });
    // Logits far beyond what exp can hold.
    expect(scoreReport(matrix([[2000, -2000]]), 1)).toMatchObject({ tokenEntropy: 0, topMargin: 4000, zLoss: 4e6 });
    const alone = scoreReport(matrix([[3]]), 1);
    expect(alone).toMatchObject({ tokenEntropy: 1, topMargin: Number.NaN, selectionGap: Number.NaN });
    for (const topK of [3, 1.5, 0]) expect(() => scoreReport(matrix([[1, 2]]), topK)).toThrow(`topK is ${topK};`);
    expect(() => scoreReport({ rows: 2, columns: 2, values: [1, 2, 3] }, 1)).toThrow(
      'scores has 3 values; [2, 2] needs 4',
    );
    expect(() => scoreReport(matrix([[1, Number.NaN]]), 1)).toThrow('scores[0][1] is NaN');
    expect(biasRange([0.5, -1, 2])).toBe(3);
    expect(biasRange([7])).toBe(0);
  });
});

describe('eigenvalues', () => {
  test('are those that the matrix was made of', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 12 }), fc.nat(), (eigenvalues, seed) => {
        const q = someRotation(eigenvalues.length, new Random(seed));
        const scaled = q.map((row) => row.map((x, j) => x * eigenvalues[j]!));
        const made = product(scaled, transposed(q));
        // Exactly symmetric, as a covariance is.
        const symmetric = made.map((row, i) => row.map((x, j) => (x + made[j]![i]!) / 2));
        const { values: found, vectors } = symmetricEigen(matrix(symmetric));
        eigenvalues.toSorted((a, b) => b - a).forEach((expected, i) => expect(found[i]).toBeCloseTo(expected, 9));
        // A v = lambda v, with unit vectors at right angles.
        for (const [i, vector] of vectors.entries()) {
          const image = symmetric.map((row) => row.reduce((sum, x, j) => sum + x * vector[j]!, 0));
          image.forEach((x, j) => expect(x).toBeCloseTo(found[i]! * vector[j]!, 8));
          for (const [j, other] of vectors.entries()) {
            const dot = vector.reduce((sum, x, d) => sum + x * other[d]!, 0);
            expect(dot).toBeCloseTo(i === j ? 1 : 0, 9);
          }
        }
      }),
    );
  });

  test('what is not symmetric is refused', () => {
    expect(() => symmetricEigen(matrix([[1, 2], [3, 4]]))).toThrow('must be symmetric'); // biome-ignore format: a matrix
    expect(() => symmetricEigen(matrix([[1, 2]]))).toThrow('must be symmetric');
    expect([...symmetricEigen(matrix([[2, 1], [1, 2]])).values].map((x) => Number(x.toFixed(12)))).toEqual([3, 1]); // biome-ignore format: a matrix
  });
});

describe('latents', () => {
  test('norm, total variance and rank do not change when the space is turned', () => {
    fc.assert(
      fc.property(someRows, fc.nat(), (rows, seed) => {
        const report = latentReport(matrix(rows));
        const width = rows[0]!.length;
        const norms = rows.map((row) => Math.hypot(...row));
        expect(report.norm).toBeCloseTo(norms.reduce((a, b) => a + b) / rows.length, 9);
        const mean = transposed(rows).map((column) => column.reduce((a, b) => a + b) / rows.length);
        const variance =
          rows.reduce((sum, row) => sum + row.reduce((own, x, d) => own + (x - mean[d]!) ** 2, 0), 0) / rows.length;
        expect(report.eigenvalues.reduce((a, b) => a + b)).toBeCloseTo(variance, 8);
        const turned = latentReport(matrix(product(rows, someRotation(width, new Random(seed)))));
        expect(turned.norm).toBeCloseTo(report.norm, 8);
        report.eigenvalues.forEach((x, i) => expect(turned.eigenvalues[i]).toBeCloseTo(x, 8));
        if (variance > 1e-6) {
          expect(report.effectiveRank).toBeGreaterThanOrEqual(1 - 1e-9);
          expect(report.effectiveRank).toBeLessThanOrEqual(width + 1e-9);
        }
      }),
    );
  });

  test('the effective rank counts directions', () => {
    expect(effectiveRank([2, 2, 2])).toBeCloseTo(3, 12);
    expect(effectiveRank([5, 0, -1e-18])).toBeCloseTo(1, 12);
    expect(latentReport(matrix([[1, 2], [3, 6], [-2, -4]])).effectiveRank).toBeCloseTo(1, 6); // biome-ignore format: a matrix
    expect(latentReport(matrix([[1, 2], [1, 2]])).effectiveRank).toBeNaN(); // biome-ignore format: a matrix
    const random = new Random(1);
    const isotropic = Array.from({ length: 4000 }, () => Array.from({ length: 6 }, () => random.normal()));
    expect(latentReport(matrix(isotropic)).effectiveRank).toBeGreaterThan(5.98);
  });
});

describe('prototypes', () => {
  test('spread no better than the Welch bound, by direction alone', () => {
    fc.assert(
      fc.property(someRows, fc.double({ min: 0.1, max: 9, noNaN: true }), (rows, scale) => {
        fc.pre(rows.length > 1 && rows.every((row) => Math.hypot(...row) > 1e-3));
        const report = keyReport(matrix(rows));
        expect(report.rms).toBeGreaterThanOrEqual(report.welchFloor - 1e-9);
        expect(report.largest).toBeGreaterThanOrEqual(report.rms - 1e-12);
        expect(report.largest).toBeLessThanOrEqual(1);
        expect(report.mean).toBeGreaterThanOrEqual(-1 / (rows.length - 1) - 1e-9);
        const scaled = keyReport(matrix(rows.map((row, i) => row.map((x) => x * scale * (i + 1)))));
        for (const name of ['mean', 'rms', 'largest'] as const) expect(scaled[name]).toBeCloseTo(report[name], 9);
      }),
    );
  });

  test('three directions in a plane reach the bound', () => {
    const third = (2 * Math.PI) / 3;
    const star = keyReport(matrix([0, 1, 2].map((i) => [Math.cos(i * third), Math.sin(i * third)])));
    expect(star.mean).toBeCloseTo(-0.5, 12);
    for (const measure of [star.rms, star.largest, star.welchFloor]) expect(measure).toBeCloseTo(0.5, 12);
    expect(keyReport(matrix([[1, 0], [0, 2]]))).toEqual({ mean: 0, rms: 0, largest: 0, welchFloor: 0 }); // biome-ignore format: a matrix
    expect(keyReport(matrix([[1, 2]]))).toEqual({ mean: NaN, rms: NaN, largest: NaN, welchFloor: 0 });
    // A row of zeros has cosine 0 with all others.
    expect(keyReport(matrix([[0, 0], [3, 4], [3, 4]]))).toMatchObject({ mean: 1 / 3, largest: 1 }); // biome-ignore format: a matrix
  });

  test('of prototypes that are wider than a call may have arguments', () => {
    const rows = [1, -2].map((entry) => Array<number>(200_000).fill(entry));
    expect(keyReport(matrix(rows)).mean).toBeCloseTo(-1, 9);
  });
});

describe('squaredSingularValues', () => {
  test('are those of rows that are orthogonal: their squared lengths', () => {
    const values = [0, 3, 0, 0, 0, 0, -2, 0, 0, 0, 0, 1];
    expect([...squaredSingularValues({ rows: 3, columns: 4, values })].map((x) => Math.round(x * 1e9) / 1e9)).toEqual([
      9, 4, 1,
    ]);
  });

  test('add up to the sum of squares, and are the same for the transposed matrix', () => {
    const entry = fc.double({ min: -2, max: 2, noNaN: true });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        fc.array(entry, { minLength: 36 }),
        (rows, columns, all) => {
          const values = all.slice(0, rows * columns);
          const transposed = Array.from(
            { length: rows * columns },
            (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!,
          );
          const own = squaredSingularValues({ rows, columns, values });
          const other = squaredSingularValues({ rows: columns, columns: rows, values: transposed });
          expect(own).toHaveLength(Math.min(rows, columns));
          for (const [i, value] of own.entries()) expect(value).toBeCloseTo(other[i]!, 8);
          const squares = values.reduce((sum, value) => sum + value ** 2, 0);
          expect(own.reduce((sum, value) => sum + value, 0)).toBeCloseTo(squares, 8);
        },
      ),
    );
  });
});
