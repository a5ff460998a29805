/**
 * Both moments of AdamW as bfloat16 numbers in one word of 32 bits: the second, which is never negative, in the high
 * half, so that a device that takes tiny numbers for 0 loses at most a first moment beside a second one that is 0. A
 * buffer of them is one of f32 in which nobody calculates.
 *
 * Moments move by a share of themselves, `1 - beta`; rounded to the nearest of 8 bits, a small share would be lost at
 * every step. So they are rounded up or down by chance, the more probable the nearer, and are right in the mean: `x`
 * plus 16 random bits below its last place, cut off. Numbers that are bfloat16 stay as they are.
 *
 * Random bits of a step are those of a Weyl sequence over the elements from a random start: for each element any value
 * is as probable as any other, and steps are independent; that is all that the mean needs, and costs an addition.
 */
import { philox4x32 } from './random.ts';

/** 2^32 over the golden ratio, odd: how far the bits of neighbours are apart. */
const GOLDEN = 0x9e37_79b9;

/** Names the stream of these random bits among those of Philox. */
const STREAM: readonly [number, number] = [0x6d6f_6d65, 0x6e74_7321];

/** Where the random bits of a step start. */
export function roundingKey(step: number): number {
  return philox4x32([step, 0, 0, 0], STREAM)[0];
}

/** The random bits of an element in a step: the low 16 are for the first moment, the high 16 for the second. */
export function roundingBits(element: number, key: number): number {
  // Of a number beyond 2^32 the low half, which is all that counts.
  return (Math.imul((element % 2 ** 32) | 0, GOLDEN) + key) >>> 0;
}

/** Both moments of each element of packed ones. */
export function unpackMoments(packed: Float32Array): { readonly first: Float32Array; readonly second: Float32Array } {
  const words = new Uint32Array(packed.buffer, packed.byteOffset, packed.length);
  const first = new Uint32Array(words.length);
  const second = new Uint32Array(words.length);
  for (let i = 0; i < words.length; i++) {
    first[i] = words[i]! << 16;
    second[i] = words[i]! & 0xffff_0000;
  }
  return { first: new Float32Array(first.buffer), second: new Float32Array(second.buffer) };
}

/**
 * The moments, rounded to the nearest bfloat16 (of two as near the even one), packed.
 *
 * @throws RangeError when there are not as many first as second ones
 */
export function packMoments(first: Float32Array, second: Float32Array): Float32Array {
  if (first.length !== second.length) {
    throw new RangeError(`packMoments: got ${first.length} first and ${second.length} second moments`);
  }
  const [low, high] = [first, second].map((x) => new Uint32Array(x.buffer, x.byteOffset, x.length)) as [
    Uint32Array,
    Uint32Array,
  ];
  return new Float32Array(low.map((bits, i) => (nearest(high[i]!) << 16) | nearest(bits)).buffer);
}

/** The 16 bits of the bfloat16 number that is nearest to a float32 of these bits. */
function nearest(bits: number): number {
  // Rounding would make another number of the bits of NaN.
  if ((bits & 0x7fff_ffff) > 0x7f80_0000) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}
