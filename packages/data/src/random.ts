/**
 * Counter-based random numbers: a draw is a pure function of a seed and of the place where it is used, so that nothing
 * has to be saved to resume and no draw depends on the ones before it.
 *
 * The function is MurmurHash3 x86_32 (Austin Appleby, public domain, "MurmurHash3.cpp") over 32-bit words.
 */

/**
 * MurmurHash3 x86_32 of `words`, each taken as four little-endian bytes.
 *
 * @param seed integer; its low 32 bits are used
 * @param words integers; of each the low 32 bits are used
 * @returns an unsigned 32-bit integer
 */
export function hash32(seed: number, words: ArrayLike<number>): number {
  let hash = seed | 0;
  for (let index = 0; index < words.length; index++) {
    let word = Math.imul(words[index]!, 0xcc9e2d51);
    word = (word << 15) | (word >>> 17);
    hash ^= Math.imul(word, 0x1b873593);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  hash ^= words.length * 4;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * A random integer in `[0, limit)`, decided by the seed and the counter alone.
 *
 * The 32-bit hash is scaled rather than rejected, so a value's probability is off by at most `2^-32`.
 *
 * @param limit from 1 to 2^32
 * @param seed non-negative safe integer, all of whose bits count
 * @param counter where the draw is used, e.g. purpose, epoch, index
 */
export function randomBelow(limit: number, seed: number, ...counter: number[]): number {
  return Math.floor((hash32(seed, [Math.floor(seed / 2 ** 32), ...counter]) / 2 ** 32) * limit);
}

/**
 * The numbers `0 .. length - 1` in an order decided by the seed and the counter (Fisher-Yates).
 *
 * @returns Int32Array of `length`
 */
export function randomPermutation(length: number, seed: number, ...counter: number[]): Int32Array {
  const order = Int32Array.from({ length }, (_, index) => index);
  for (let last = length - 1; last > 0; last--) {
    const chosen = randomBelow(last + 1, seed, ...counter, last);
    const moved = order[last]!;
    order[last] = order[chosen]!;
    order[chosen] = moved;
  }
  return order;
}

/**
 * @throws RangeError unless the seed is a non-negative safe integer
 */
export function checkSeed(owner: string, seed: number): void {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`${owner}: seed must be a non-negative integer below 2^53, got ${seed}.`);
  }
}
