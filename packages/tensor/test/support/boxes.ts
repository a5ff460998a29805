/** Boxes of strided axes: where their elements lie, and boxes of any kind. */
import * as fc from 'fast-check';

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Offset of every element of a box, in row-major order. */
export const offsetsOf = (shape: readonly number[], strides: readonly number[]): number[] =>
  shape.reduce<number[]>(
    (bases, size, axis) => bases.flatMap((base) => Array.from({ length: size }, (_, i) => base + i * strides[axis]!)),
    [0],
  );

/** Elements a buffer needs for these strides. */
export const extent = (shape: readonly number[], strides: readonly number[]): number =>
  1 + shape.reduce((sum, size, axis) => sum + Math.max(0, size - 1) * strides[axis]!, 0);

/** Row-major strides of the axes in `order` (outermost first), 0 for the stretched ones. */
export function stridesOf(shape: readonly number[], order: readonly number[], stretched: readonly boolean[]): number[] {
  const strides = shape.map(() => 0);
  let stride = 1;
  for (const axis of order.toReversed()) {
    if (stretched[axis]) continue;
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

export const anyOrder = (rank: number): fc.Arbitrary<number[]> =>
  fc.shuffledSubarray([...Array(rank).keys()], { minLength: rank, maxLength: rank });
export const anySizes = (rank: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 1, max: 6 }), { minLength: rank, maxLength: rank });
export const anyFlags = (rank: number): fc.Arbitrary<boolean[]> =>
  fc.array(fc.boolean(), { minLength: rank, maxLength: rank });
