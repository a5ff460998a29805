import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mutualInformation, mutualInformationBias } from '../src/index.ts';
import { Random } from '../src/random.ts';

const someJoint = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }))
  .chain(([rows, columns]) =>
    fc.array(fc.array(fc.nat({ max: 1000 }), { minLength: columns, maxLength: columns }), {
      minLength: rows,
      maxLength: rows,
    }),
  )
  .filter((joint) => joint.flat().some((count) => count > 0));

function entropy(counts: readonly number[]): number {
  const total = counts.reduce((a, b) => a + b);
  return counts.filter((c) => c > 0).reduce((sum, c) => sum - (c / total) * Math.log(c / total), 0);
}

describe('mutual information', () => {
  test('is H(X) + H(Y) - H(X, Y), symmetric, and at most either entropy', () => {
    fc.assert(
      fc.property(someJoint, (joint) => {
        const transposed = joint[0]!.map((_, y) => joint.map((row) => row[y]!));
        const hX = entropy(joint.map((row) => row.reduce((a, b) => a + b)));
        const hY = entropy(transposed.map((column) => column.reduce((a, b) => a + b)));
        const information = mutualInformation(joint);
        expect(information).toBeCloseTo(hX + hY - entropy(joint.flat()), 10);
        expect(mutualInformation(transposed)).toBeCloseTo(information, 10);
        expect(information).toBeGreaterThanOrEqual(0);
        expect(information).toBeLessThanOrEqual(Math.min(hX, hY) + 1e-10);
      }),
    );
  });

  test('is ln n when the token decides the expert, 0 when they are independent', () => {
    expect(mutualInformation([[5, 0, 0], [0, 5, 0], [0, 0, 5]])).toBeCloseTo(Math.log(3), 12); // biome-ignore format: a matrix
    expect(mutualInformation([[2, 4, 6], [1, 2, 3]])).toBeCloseTo(0, 12); // biome-ignore format: a matrix
    for (const nothing of [
      [[0, 0]],
      [
        [0, 0],
        [0, 0],
      ],
    ]) {
      expect(mutualInformation(nothing)).toBeNaN();
      expect(mutualInformationBias(nothing)).toBeNaN();
    }
  });

  test('of independent samples is on average its bias', () => {
    const random = new Random(3);
    const trials = 300;
    let information = 0;
    let bias = 0;
    for (let trial = 0; trial < trials; trial++) {
      const joint = Array.from({ length: 6 }, () => new Float64Array(10));
      for (let sample = 0; sample < 2000; sample++) joint[random.below(6)]![random.below(10)]! += 1;
      information += mutualInformation(joint) / trials;
      bias += mutualInformationBias(joint) / trials;
    }
    expect(Math.abs(information / bias - 1)).toBeLessThan(0.06);
  });

  test('what is no joint table is refused', () => {
    expect(() => mutualInformation([])).toThrow('joint is empty');
    expect(() => mutualInformation([[1, 2], [1]])).toThrow('joint[1] has 1 entries, but joint[0] has 2');
    expect(() => mutualInformation([[1, -2]])).toThrow('joint[0][1] is -2');
  });
});
