import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expertSimilarity, type Matrix, meanOverPairs } from '../src/index.ts';
import { Random } from '../src/random.ts';

type Rows = readonly (readonly number[])[];

function matrix(rows: Rows): Matrix {
  return { rows: rows.length, columns: rows[0]!.length, values: rows.flat() };
}

function normalRows(random: Random, tokens: number, width: number): number[][] {
  return Array.from({ length: tokens }, () => Array.from({ length: width }, () => random.normal()));
}

const squaredNorm = (rows: Rows): number => rows.flat().reduce((sum, x) => sum + x * x, 0);

/** Columns less their means. */
function centred(rows: Rows): number[][] {
  const means = rows[0]!.map((_, j) => rows.reduce((sum, row) => sum + row[j]! / rows.length, 0));
  return rows.map((row) => row.map((x, j) => x - means[j]!));
}

/** A^T B, the features of one against those of the other: the other way to write the alignment. */
function crossed(a: Rows, b: Rows): number[][] {
  return a[0]!.map((_, i) => b[0]!.map((__, j) => a.reduce((sum, row, t) => sum + row[i]! * b[t]![j]!, 0)));
}

function featureCka(a: Rows, b: Rows): number {
  const [x, y] = [centred(a), centred(b)];
  return squaredNorm(crossed(y, x)) / Math.sqrt(squaredNorm(crossed(x, x)) * squaredNorm(crossed(y, y)));
}

const shape = fc.record({
  tokens: fc.integer({ min: 3, max: 9 }),
  widths: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 4 }),
  seed: fc.nat(),
});

const linearCka = (a: Matrix, b: Matrix): number => expertSimilarity([a, b]).similarity[0]![1]!;

describe('linear CKA', () => {
  test('is what features give, whether tokens or features are more, and symmetric', () => {
    fc.assert(
      fc.property(shape, ({ tokens, widths, seed }) => {
        const random = new Random(seed);
        const outputs = widths.map((width) => normalRows(random, tokens, width));
        const { similarity, independent } = expertSimilarity(outputs.map(matrix));
        for (const [i, a] of outputs.entries()) {
          for (const [j, b] of outputs.entries()) {
            expect(similarity[i]![j]).toBeCloseTo(featureCka(a, b), 5);
            expect(similarity[i]![j]).toBe(similarity[j]![i]);
            expect(similarity[i]![j]).toBeGreaterThanOrEqual(0);
            expect(similarity[i]![j]).toBeLessThanOrEqual(1);
            expect(independent[i]![j]).toBe(independent[j]![i]);
            expect(independent[i]![j]).toBeLessThanOrEqual(1 + 1e-9);
          }
          expect(similarity[i]![i]).toBe(1);
        }
      }),
    );
  });

  test('does not change when outputs are turned, scaled or moved, nor with the order of tokens', () => {
    fc.assert(
      fc.property(fc.nat(), fc.double({ min: 0, max: 7, noNaN: true }), (seed, angle) => {
        const random = new Random(seed);
        const [a, b] = [normalRows(random, 6, 2), normalRows(random, 6, 3)];
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        const turned = a.map(([x, y]) => [-3 * (c * x! - s * y!) + 5, -3 * (s * x! + c * y!) - 1]);
        const before = linearCka(matrix(a), matrix(b));
        expect(linearCka(matrix(turned), matrix(b))).toBeCloseTo(before, 5);
        expect(linearCka(matrix(turned), matrix(a))).toBeCloseTo(1, 5);
        expect(linearCka(matrix(a.toReversed()), matrix(b.toReversed()))).toBeCloseTo(before, 5);
      }),
    );
  });

  test('is 0 of outputs that vary in different tokens, and nothing of one that does not vary', () => {
    const [first, second] = [matrix([[1], [-1], [0], [0]]), matrix([[0], [0], [1], [-1]])];
    expect(linearCka(first, second)).toBe(0);
    const constant = matrix([[0.1], [0.1], [0.1], [0.1]]);
    const { similarity, independent } = expertSimilarity([first, constant, second]);
    expect(similarity.map((row) => [...row])).toEqual([
      [1, Number.NaN, 0],
      [Number.NaN, Number.NaN, Number.NaN],
      [0, Number.NaN, 1],
    ]);
    // One direction each: 1 / (n - 1).
    expect(independent[0]![2]).toBeCloseTo(1 / 3, 12);
    expect(meanOverPairs(similarity)).toBe(0);
    expect(meanOverPairs([new Float64Array([1])])).toBeNaN();
    const uneven = [new Float64Array(3), new Float64Array([0.5, 0, 0]), new Float64Array([0.25, 0.75, 0])];
    expect(meanOverPairs(uneven)).toBe(0.5);
  });

  test('refuses outputs of other tokens, of one, and none', () => {
    const two = matrix([[1], [2]]);
    expect(() => expertSimilarity([])).toThrow('outputs is empty');
    expect(() => expertSimilarity([matrix([[1]])])).toThrow('outputs[0] has 1 rows');
    expect(() => expertSimilarity([two, matrix([[1], [2], [3]])])).toThrow(
      'outputs[1] has 3 rows, but outputs[0] has 2',
    );
    expect(() => expertSimilarity([two, matrix([[1], [Number.NaN]])])).toThrow('outputs[1][1][0] is NaN');
  });
});

describe('the level under independence', () => {
  /** All orders of 0 to n - 1. */
  function orders(n: number): number[][] {
    if (n === 0) return [[]];
    return orders(n - 1).flatMap((order) =>
      Array.from({ length: n }, (_, place) => [...order.slice(0, place), n - 1, ...order.slice(place)]),
    );
  }

  test('is the mean over all ways to pair the tokens of two experts', () => {
    const all = orders(5);
    expect(all).toHaveLength(120);
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), (seed, one, other) => {
        const random = new Random(seed);
        const [a, b] = [normalRows(random, 5, one), normalRows(random, 5, other)];
        const mean = all.reduce(
          (sum, order) =>
            sum +
            featureCka(
              a,
              order.map((token) => b[token]!),
            ) /
              all.length,
          0,
        );
        expect(expertSimilarity([a, b].map(matrix)).independent[0]![1]).toBeCloseTo(mean, 9);
      }),
      { numRuns: 20 },
    );
  });

  test('is what normal outputs have that are unrelated: about D / (D + n)', () => {
    const random = new Random(3);
    const [tokens, width] = [60, 30];
    const outputs = Array.from({ length: 12 }, () => matrix(normalRows(random, tokens, width)));
    const { similarity, independent } = expertSimilarity(outputs);
    expect(meanOverPairs(independent)).toBeCloseTo(width / (width + tokens), 2);
    expect(meanOverPairs(similarity)).toBeCloseTo(meanOverPairs(independent), 2);
  });
});
