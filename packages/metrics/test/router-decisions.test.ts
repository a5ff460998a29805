import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { normalMargin, selectionMargin } from '../src/index.ts';
import { Random } from '../src/random.ts';

const matrix = (rows: readonly (readonly number[])[]) => ({
  rows: rows.length,
  columns: rows[0]!.length,
  values: rows.flat(),
});

const score = fc.integer({ min: -20, max: 20 });
const someScores = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 2, max: 6 }))
  .chain(([tokens, experts]) =>
    fc.array(fc.array(score, { minLength: experts, maxLength: experts }), { minLength: tokens, maxLength: tokens }),
  );

describe('the margin of a selection', () => {
  test('by hand', () => {
    // Standard deviation of 0, 1, 3, 8: sqrt(74 / 4 - 9).
    const deviation = Math.sqrt(9.5);
    expect(selectionMargin(matrix([[3, 0, 8, 1]]), 1)).toBeCloseTo(5 / deviation, 12);
    expect(selectionMargin(matrix([[3, 0, 8, 1]]), 2)).toBeCloseTo(2 / deviation, 12);
    expect(selectionMargin(matrix([[3, 0, 8, 1], [2, 2, 2, 2]]), 2)).toBeCloseTo(1 / deviation, 12); // biome-ignore format: a matrix
    expect(selectionMargin(matrix([[1, 2]]), 2)).toBeNaN();
    expect(() => selectionMargin(matrix([[1, 2]]), 3)).toThrow('topK is 3; it must be an integer from 1 to the 2');
    expect(() => selectionMargin(matrix([[1, Number.NaN]]), 1)).toThrow('selection[0][1] is NaN');
  });

  test('leaves out experts that a token may not choose', () => {
    const scores = matrix([[-1e30, 3, 0, 8, 1, -1e30]]);
    expect(selectionMargin(scores, 2, -1e30)).toBe(selectionMargin(matrix([[3, 0, 8, 1]]), 2));
    expect(selectionMargin(scores, 4, -1e30)).toBeNaN();
  });

  test('does not change with the order of tokens and experts, nor when scores are moved and stretched', () => {
    fc.assert(
      fc.property(someScores, fc.integer({ min: 1, max: 9 }), score, fc.nat(), (rows, factor, shift, seed) => {
        const topK = 1 + (seed % (rows[0]!.length - 1));
        const margin = selectionMargin(matrix(rows), topK);
        expect(margin).toBeGreaterThanOrEqual(0);
        // A gap of all scores there are lies between two values.
        expect(margin).toBeLessThanOrEqual(rows[0]!.length / Math.sqrt(rows[0]!.length - 1) + 1e-9);
        const turned = rows.toReversed().map((row) => row.toReversed());
        expect(selectionMargin(matrix(turned), topK)).toBeCloseTo(margin, 9);
        const moved = rows.map((row) => row.map((x) => factor * x + shift));
        expect(selectionMargin(matrix(moved), topK)).toBeCloseTo(margin, 9);
      }),
    );
  });
});

describe('the margin of unrelated normal scores', () => {
  test('has the closed forms of few experts', () => {
    // Two scores lie a standard deviation of one on either side of their mean, wherever they are.
    expect(normalMargin(2, 1)).toBeCloseTo(2, 9);
    // Of three the gaps are 3 / (2 sqrt(pi)) each, and the deviation sqrt(2 / 3) Gamma(3 / 2).
    const three = 3 / (2 * Math.sqrt(Math.PI)) / (Math.sqrt(2 / 3) * (Math.sqrt(Math.PI) / 2));
    expect(normalMargin(3, 1)).toBeCloseTo(three, 9);
    expect(normalMargin(3, 2)).toBeCloseTo(three, 9);
    expect(normalMargin(4, 4)).toBeNaN();
    expect(() => normalMargin(4, 0)).toThrow('topK is 0');
  });

  test('is what they have when they are drawn', () => {
    const random = new Random(1);
    for (const [experts, topK] of [
      [8, 2],
      [32, 4],
      [64, 1],
    ] as const) {
      // biome-ignore format: pairs
      const rows = Array.from({ length: 6000 }, () => Array.from({ length: experts }, () => random.normal()));
      expect(selectionMargin(matrix(rows), topK) / normalMargin(experts, topK)).toBeCloseTo(1, 1);
    }
  });

  test('is the same from either end, and smaller in the middle', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 300 }), fc.nat(), (experts, seed) => {
        const topK = 1 + (seed % (experts - 1));
        expect(normalMargin(experts, topK)).toBeCloseTo(normalMargin(experts, experts - topK), 9);
        if (topK + 1 <= experts / 2) expect(normalMargin(experts, topK + 1)).toBeLessThan(normalMargin(experts, topK));
      }),
      { numRuns: 20 },
    );
  });
});
