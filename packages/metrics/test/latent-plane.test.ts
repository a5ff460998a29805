import { describe, expect, it } from 'vitest';
import { latentPlane } from '../src/index.ts';

const matrix = (rows: number, values: readonly number[]) => ({ rows, columns: values.length / rows, values });
const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number => Math.hypot(a[0]! - b[0]!, a[1]! - b[1]!);

describe('the plane of latents and prototypes', () => {
  it('keeps distances within it, and puts prototypes on the same directions', () => {
    // All in the plane of the first two of three dimensions.
    const latents = matrix(4, [0, 0, 7, 4, 0, 7, 0, 2, 7, 4, 2, 7]);
    const { points, prototypes, explained } = latentPlane(latents, matrix(1, [4, 2, 7]), {
      byAngle: false,
      of: 'latents',
    });
    expect(distance(points[0]!, points[3]!)).toBeCloseTo(Math.hypot(4, 2), 9);
    expect(distance(points[3]!, prototypes[0]!)).toBeCloseTo(0, 9);
    expect(explained[0]).toBeCloseTo(0.8, 9);
    expect(explained[1]).toBeCloseTo(0.2, 9);
  });

  it('by angle does not see lengths', () => {
    const latents = matrix(3, [1, 0, 0, 1, -1, 0]);
    const keys = matrix(2, [5, 0, 0, 0.1]);
    const { points, prototypes } = latentPlane(latents, keys, { byAngle: true, of: 'latents and prototypes' });
    expect(distance(points[0]!, prototypes[0]!)).toBeCloseTo(0, 9);
    expect(distance(points[1]!, prototypes[1]!)).toBeCloseTo(0, 9);
  });

  it('of one token takes the directions of the prototypes too; of one dimension there is no second', () => {
    const keys = matrix(3, [1, 0, 0, 1, 0, 0]);
    const few = latentPlane(matrix(1, [0.5, 0.5]), keys, { byAngle: false, of: 'latents and prototypes' });
    expect(distance(few.prototypes[0]!, few.prototypes[1]!)).toBeCloseTo(Math.SQRT2, 9);
    const line = latentPlane(matrix(2, [1, 3]), matrix(1, [2]), { byAngle: false, of: 'latents' });
    expect(line.points.map(([, y]) => y)).toEqual([0, 0]);
    expect(distance(line.points[0]!, line.points[1]!)).toBeCloseTo(2, 9);
    expect(line.explained).toEqual([1, 0]);
  });
});
