import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { principalComponents, projectPoints } from '../src/index.ts';

function matrix(rows: readonly (readonly number[])[]) {
  return { rows: rows.length, columns: rows[0]!.length, values: rows.flat() };
}

const finite = fc.double({ min: -100, max: 100, noNaN: true });
const somePoints = fc
  .tuple(fc.integer({ min: 2, max: 30 }), fc.integer({ min: 2, max: 6 }))
  .chain(([n, width]) =>
    fc.array(fc.array(finite, { minLength: width, maxLength: width }), { minLength: n, maxLength: n }),
  );

function varianceAlong(points: readonly (readonly number[])[], axis: ArrayLike<number>): number {
  const along = points.map((point) => point.reduce((sum, x, d) => sum + x * axis[d]!, 0));
  const mean = along.reduce((a, b) => a + b) / along.length;
  return along.reduce((sum, x) => sum + (x - mean) ** 2, 0) / along.length;
}

describe('principal components', () => {
  test('of points on a line: the line, which explains everything', () => {
    const { mean, axes, explained } = principalComponents(
      matrix([-2, -1, 0, 1, 2].map((t) => [1 + 3 * t, 5 + 4 * t])),
      2,
    );
    expect(Array.from(mean)).toEqual([1, 5]);
    expect(axes[0]![0]).toBeCloseTo(0.6, 12);
    expect(axes[0]![1]).toBeCloseTo(0.8, 12);
    expect(explained[0]).toBeCloseTo(1, 12);
    expect(explained[1]).toBeCloseTo(0, 12);
  });

  test('places points along as many axes as are asked for, from their mean', () => {
    const points = matrix([[1, 1], [3, 1], [1, 2], [3, 2]]); // biome-ignore format: a matrix
    const first = principalComponents(points, 1);
    expect(first.axes.map((axis) => Array.from(axis))).toEqual([[1, 0]]);
    expect(Array.from(first.explained)).toEqual([0.8]);
    expect(projectPoints(points, first).map((at) => Array.from(at))).toEqual([[-1], [1], [-1], [1]]);
    const both = projectPoints(points, principalComponents(points, 2));
    expect(both.map((at) => Array.from(at))).toEqual([[-1, -0.5], [1, -0.5], [-1, 0.5], [1, 0.5]]); // biome-ignore format: a matrix
  });

  test('no direction has more variance than the first, and projections keep distances as far as they can', () => {
    fc.assert(
      fc.property(somePoints, fc.array(finite, { minLength: 6, maxLength: 6 }), (points, direction) => {
        const width = points[0]!.length;
        const components = principalComponents(matrix(points), width);
        const length = Math.hypot(...direction.slice(0, width));
        fc.pre(length > 1e-3);
        const unit = direction.slice(0, width).map((x) => x / length);
        const most = varianceAlong(points, components.axes[0]!);
        expect(varianceAlong(points, unit)).toBeLessThanOrEqual(most * (1 + 1e-9) + 1e-9);
        // With all components projecting is a rotation.
        const projected = projectPoints(matrix(points), components);
        const distance = (a: ArrayLike<number>, b: ArrayLike<number>) =>
          Math.hypot(...Array.from(a, (x, d) => x - b[d]!));
        expect(distance(projected[0]!, projected[1]!)).toBeCloseTo(distance(points[0]!, points[1]!), 8);
      }),
    );
  });

  test('what makes no sense is refused', () => {
    const points = matrix([[1, 2], [3, 5]]); // biome-ignore format: a matrix
    expect(() => principalComponents(points, 3)).toThrow('count is 3; points of 2 dimensions have 1 to 2 components');
    for (const count of [0, 1.5]) expect(() => principalComponents(points, count)).toThrow(`count is ${count};`);
    expect(() => projectPoints(matrix([[1, 2, 3]]), principalComponents(points, 1))).toThrow(
      'points have 3 dimensions',
    );
    expect(() => principalComponents(matrix([[Number.NaN]]), 1)).toThrow('points[0][0] is NaN');
  });
});
