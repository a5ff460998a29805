/**
 * A mix of several token streams by weights: which stream each sequence of a training run comes from, and how many
 * sequences of each stand for it.
 *
 * Sequences are dealt in blocks of 1000. Each block holds every stream's share, in whole thousandths, in a random order
 * of its own; so the share is exact over any whole block, and where a sequence comes from is a function of its index
 * alone.
 */

import { randomPermutation } from './random.ts';

const BLOCK = 1000;
/** What the random orders are drawn for; far from the purposes that streams draw for. */
const MIX = 0xffff_ffff;

/** A place in one of the streams that are mixed. */
export interface MixedPlace {
  /** Which stream. */
  readonly stream: number;
  /** How many sequences of that stream come before this one, in all blocks. */
  readonly index: number;
}

export class Mixture {
  /** Sequences of each stream in a block. */
  readonly shares: readonly number[];
  readonly #seed: number;
  #block: { readonly index: number; readonly places: readonly MixedPlace[] } | null = null;

  /**
   * @param weights positive, of any sum; a stream gets at least one thousandth
   * @throws RangeError for a weight that is not positive, or more than 1000 of them
   */
  constructor(weights: readonly number[], seed: number) {
    if (weights.length < 1 || weights.length > BLOCK) {
      throw new RangeError(`Mixture: takes 1 to ${BLOCK} streams, got ${weights.length}.`);
    }
    this.shares = apportion(weights, BLOCK);
    this.#seed = seed;
  }

  /** Where the sequence of an index from 0 comes from. */
  at(index: number): MixedPlace {
    if (this.shares.length === 1) {
      return { stream: 0, index };
    }
    const block = Math.floor(index / BLOCK);
    if (this.#block?.index !== block) {
      this.#block = { index: block, places: this.#deal(block) };
    }
    return this.#block.places[index % BLOCK]!;
  }

  #deal(block: number): MixedPlace[] {
    const cards = this.shares.flatMap((share, stream) => Array.from({ length: share }, () => stream));
    const next = this.shares.map((share) => share * block);
    return Array.from(randomPermutation(BLOCK, this.#seed, MIX, block), (card) => {
      const stream = cards[card]!;
      return { stream, index: next[stream]!++ };
    });
  }
}

/**
 * Whole numbers that add up to `total`, as near to the proportions of the weights as can be (largest remainders), none
 * below one nor above its `most`.
 *
 * @param weights positive, of any sum
 * @param total from the number of weights to the sum of `most`
 * @throws RangeError for a weight that is not positive
 */
export function apportion(
  weights: readonly number[],
  total: number,
  most: readonly number[] = weights.map(() => Number.POSITIVE_INFINITY),
): number[] {
  for (const weight of weights) {
    if (!(weight > 0 && weight < Number.POSITIVE_INFINITY)) {
      throw new RangeError(`Mixture: a weight must be a positive number, got ${weight}. Leave the source out instead.`);
    }
  }
  const sum = weights.reduce((sum, weight) => sum + weight, 0);
  const exact = weights.map((weight) => (weight / sum) * total);
  const shares = exact.map((share, stream) => Math.min(Math.max(1, Math.floor(share)), most[stream]!));
  for (let left = total - shares.reduce((sum, share) => sum + share, 0); left !== 0; left -= Math.sign(left)) {
    const step = Math.sign(left);
    const candidates = [...shares.keys()].filter((stream) =>
      step > 0 ? shares[stream]! < most[stream]! : shares[stream]! > 1,
    );
    const lack = (stream: number): number => step * (exact[stream]! - shares[stream]!);
    const chosen = candidates.reduce((best, stream) => (lack(stream) > lack(best) ? stream : best));
    shares[chosen]! += step;
  }
  return shares;
}
