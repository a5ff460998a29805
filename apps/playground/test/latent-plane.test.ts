/** The plane in which latent spaces are shown. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatentPlane, type Rows } from '../src/latent-plane.ts';

const rows = (values: readonly (readonly number[])[]): Rows => ({
  values: Float32Array.from(values.flat()),
  width: values[0]!.length,
});

/** Rows that lie in a plane of their space, on and within its unit circle. */
function rowsInPlane(angles: readonly number[], width: number): Rows {
  return rows(
    angles.map((angle) =>
      Array.from({ length: width }, (_, d) =>
        d === 1 ? 3 * Math.cos(angle) : d === width - 1 ? 3 * Math.sin(angle) : 0,
      ),
    ),
  );
}

const lengthAt = (places: Float32Array, i: number): number => Math.hypot(places[2 * i]!, places[2 * i + 1]!);

describe('a latent plane', () => {
  it('shows whole what lies in a plane', () => {
    const angles = Array.from({ length: 12 }, (_, i) => i * i);
    const { tokens, keys } = new LatentPlane().project(rowsInPlane(angles, 7), rowsInPlane([1, 2, 3], 7));
    for (let i = 0; i < angles.length; i++) expect(lengthAt(tokens, i)).toBeCloseTo(1, 5);
    for (let i = 0; i < 3; i++) expect(lengthAt(keys, i)).toBeCloseTo(1, 5);
    // Angles between rows are those between their places.
    const cosine = tokens[0]! * tokens[2]! + tokens[1]! * tokens[3]!;
    expect(cosine).toBeCloseTo(Math.cos(angles[1]! - angles[0]!), 5);
  });

  it('keeps all within the unit disc, zero rows and rows that are all the same among it', () => {
    const entry = fc.float({ noNaN: true, noDefaultInfinity: true, min: -100, max: 100 });
    const anyRows = (width: number): fc.Arbitrary<Rows> =>
      fc.array(fc.array(entry, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 9 }).map(rows);
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 6 }).chain((width) => fc.tuple(anyRows(width), anyRows(width))),
        ([tokens, keys]) => {
          const seen = new LatentPlane().project(tokens, keys);
          for (const places of [seen.tokens, seen.keys]) {
            for (let i = 0; 2 * i < places.length; i++) expect(lengthAt(places, i)).toBeLessThanOrEqual(1 + 1e-5);
          }
        },
      ),
    );
  });

  it('stays where it is while nothing moves, and moves little while little does', () => {
    const space = (shift: number): Rows =>
      rows(
        Array.from({ length: 40 }, (_, i) =>
          Array.from({ length: 8 }, (_, d) => Math.sin(0.7 * i + 2.4 * d * (i + 1) + shift) / (d + 1) + 0.2),
        ),
      );
    const plane = new LatentPlane();
    const keys = space(0.5);
    const distance = (a: Float32Array, b: Float32Array): number =>
      Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
    const first = plane.project(space(0), keys).tokens;
    expect(distance(plane.project(space(0), keys).tokens, first)).toBeLessThan(0.02);
    expect(distance(plane.project(space(0.01), keys).tokens, first)).toBeLessThan(0.06);
  });
});
