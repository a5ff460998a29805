/**
 * Random numbers: Philox4x32-10, a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2,
 * 3", 2011). A stream is named by a 64-bit key; the numbers of a stream are the same on every device and for any number
 * of threads. Streams split: a key folded with a number is another, independent stream, so a run needs a single seed
 * and no hidden state.
 */

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** One block: four 32-bit numbers (unsigned) of a 128-bit counter under a 64-bit key. */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = multiplyWide(MULTIPLIER_0, c0);
    const [high1, low1] = multiplyWide(MULTIPLIER_1, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** The 64-bit product of two unsigned 32-bit numbers: high and low half. */
function multiplyWide(a: number, b: number): [number, number] {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle % 0x10000);
  return [(aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0, Math.imul(a, b) >>> 0];
}

/** Names a stream of random numbers. */
export class RandomKey {
  readonly low: number;
  readonly high: number;

  constructor(low: number, high: number) {
    this.low = low >>> 0;
    this.high = high >>> 0;
  }

  /** The stream of a seed: a whole number of 0 or more, below 2^53. */
  static fromSeed(seed: number): RandomKey {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new RangeError(`RandomKey: a seed is a whole number from 0 to 2^53 - 1, got ${seed}`);
    }
    return new RandomKey(seed, Math.floor(seed / 2 ** 32));
  }

  /** An independent stream for each whole number or name. */
  fold(data: number | string): RandomKey {
    const words =
      typeof data === 'string' ? Array.from(data, (c) => c.codePointAt(0)!) : [data, Math.floor(data / 2 ** 32)];
    let key: readonly [number, number] = [this.low, this.high];
    for (const word of words) {
      // The fourth counter word sets these blocks apart from those that give numbers.
      const [low, high] = philox4x32([word >>> 0, words.length, 0, 1], key);
      key = [low, high];
    }
    return new RandomKey(key[0], key[1]);
  }
}
