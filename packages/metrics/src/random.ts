/**
 * A small seeded generator for the reference levels, so that a figure is the same on every machine and run.
 * xoshiro128** (Blackman and Vigna, https://prng.di.unimi.it), its state filled by SplitMix32 from the seed.
 */

/** xoshiro128**: 32-bit integers, uniform floats and normal numbers from one seed. */
export class Random {
  private readonly state: [number, number, number, number];
  private spareNormal: number | undefined;

  /** @param seed a safe integer >= 0; both its 32-bit halves count. */
  constructor(seed: number) {
    if (!(Number.isSafeInteger(seed) && seed >= 0)) {
      throw new RangeError(`seed is ${seed}; it must be an integer from 0 to 2^53 - 1`);
    }
    const low = splitMix32(seed >>> 0);
    const high = splitMix32(Math.floor(seed / 2 ** 32) ^ 0x5bd1e995);
    this.state = [low(), low(), high(), high()];
  }

  /** A generator that starts from the given four state words (not all 0). */
  static fromState(words: readonly [number, number, number, number]): Random {
    const random = new Random(0);
    random.state.splice(0, 4, ...words);
    return random;
  }

  /** The next 32 random bits, as an integer from 0 to 2^32 - 1. */
  next(): number {
    const s = this.state;
    const product = Math.imul(s[1], 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** An integer from 0 to `bound - 1`; no value is more likely than another by over `bound / 2^32` of its share. */
  below(bound: number): number {
    return Math.floor((this.next() * bound) / 2 ** 32);
  }

  /** A standard normal number (Box-Muller). */
  normal(): number {
    if (this.spareNormal !== undefined) {
      const spare = this.spareNormal;
      this.spareNormal = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log((this.next() + 1) / 2 ** 32));
    const angle = (2 * Math.PI * this.next()) / 2 ** 32;
    this.spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}

function splitMix32(seed: number): () => number {
  let counter = seed | 0;
  return () => {
    counter = (counter + 0x9e3779b9) | 0;
    let word = Math.imul(counter ^ (counter >>> 16), 0x85ebca6b);
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
    return (word ^ (word >>> 16)) >>> 0;
  };
}
