/**
 * A small seeded generator for the reference levels, so that a level is the same on every machine and run.
 * xoshiro128** (Blackman and Vigna, https://prng.di.unimi.it), its state filled by SplitMix32 from the seed.
 */
import { logGamma } from './special-functions.ts';

/** xoshiro128**: 32-bit integers, and uniform, normal and binomial numbers from one seed. */
export class Random {
  #state: [number, number, number, number];
  #spareNormal: number | undefined;

  /** @param seed a safe integer >= 0; both its 32-bit halves count. */
  constructor(seed: number) {
    if (!(Number.isSafeInteger(seed) && seed >= 0)) {
      throw new RangeError(`seed is ${seed}; it must be an integer from 0 to 2^53 - 1`);
    }
    const low = splitMix32(seed >>> 0);
    const high = splitMix32(Math.floor(seed / 2 ** 32) ^ 0x5bd1e995);
    this.#state = [low(), low(), high(), high()];
  }

  /** A generator that starts from the given four state words (not all 0). */
  static fromState(words: readonly [number, number, number, number]): Random {
    const random = new Random(0);
    random.#state = [...words];
    return random;
  }

  /** The next 32 random bits, as an integer from 0 to 2^32 - 1. */
  next(): number {
    const s = this.#state;
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

  /** Uniform between 0 and 1, neither of them, in steps of 2^-32. */
  uniform(): number {
    return (this.next() + 0.5) / 2 ** 32;
  }

  /** An integer from 0 to `bound - 1`; no value is more likely than another by over `bound / 2^32` of its share. */
  below(bound: number): number {
    return Math.floor((this.next() * bound) / 2 ** 32);
  }

  /** A standard normal number (Box-Muller). */
  normal(): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log((this.next() + 1) / 2 ** 32));
    const angle = (2 * Math.PI * this.next()) / 2 ** 32;
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** How many of `trials` (an integer >= 0) succeed, each with the probability. Time does not grow with `trials`. */
  binomial(trials: number, probability: number): number {
    if (probability > 0.5) return trials - this.binomial(trials, 1 - probability);
    if (trials === 0 || probability <= 0) return 0;
    return trials * probability < 10 ? this.#invert(trials, probability) : this.#reject(trials, probability);
  }

  /** Goes through the numbers of successes from 0 up until their probabilities add up to a uniform number. */
  #invert(trials: number, probability: number): number {
    const odds = probability / (1 - probability);
    let left = this.uniform();
    let mass = Math.exp(trials * Math.log1p(-probability));
    let successes = 0;
    while (left > mass && successes < trials) {
      left -= mass;
      successes++;
      mass *= (odds * (trials - successes + 1)) / successes;
    }
    return successes;
  }

  /** BTRS, transformed rejection with squeeze (Hörmann 1993, The generation of binomial random variates). */
  #reject(trials: number, probability: number): number {
    const deviation = Math.sqrt(trials * probability * (1 - probability));
    const b = 1.15 + 2.53 * deviation;
    const a = -0.0873 + 0.0248 * b + 0.01 * probability;
    const squeeze = 0.92 - 4.2 / b;
    for (;;) {
      const u = this.uniform() - 0.5;
      const v = this.uniform();
      const edge = 0.5 - Math.abs(u);
      const successes = Math.floor(((2 * a) / edge + b) * u + trials * probability + 0.5);
      if (edge >= 0.07 && v <= squeeze) return successes;
      if (successes < 0 || successes > trials) continue;
      const height = Math.log((v * (2.83 + 5.1 / b) * deviation) / (a / (edge * edge) + b));
      const mode = Math.floor((trials + 1) * probability);
      const ratio =
        logGamma(mode + 1) +
        logGamma(trials - mode + 1) -
        logGamma(successes + 1) -
        logGamma(trials - successes + 1) +
        (successes - mode) * Math.log(probability / (1 - probability));
      if (height <= ratio) return successes;
    }
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
