/** The blocks of an evaluation drawn anew, as a bootstrap does, and the loads of such drawings. */
import type { HeldOutBlock } from './held-out-blocks.ts';
import type { Random } from './random.ts';

/**
 * Makes drawings of blocks: how many times each counts.
 *
 * Each domain is drawn by itself, since the mix of domains is no accident: of its n blocks n - 1 are drawn with
 * replacement, each counting n / (n - 1), which makes the variance of a mean exactly that of n independent blocks (Rao
 * and Wu 1988, Resampling inference with complex survey data).
 */
export class BlockDraws {
  readonly #blocks: number;
  /** Places of their blocks. */
  readonly #domains: readonly (readonly number[])[];

  constructor(blocks: readonly HeldOutBlock[]) {
    const names = [...new Set(blocks.map(({ domain }) => domain))];
    this.#blocks = blocks.length;
    this.#domains = names.map((name) => [...blocks.keys()].filter((i) => blocks[i]!.domain === name));
  }

  /** Whether drawings differ by chance alone: a domain of one block has nothing to be drawn with. */
  get isPossible(): boolean {
    return this.#domains.every(({ length }) => length > 1);
  }

  /** Blocks less domains. */
  get degreesOfFreedom(): number {
    return this.#blocks - this.#domains.length;
  }

  next(random: Random): number[] {
    const times = Array.from({ length: this.#blocks }, () => 0);
    for (const members of this.#domains) {
      const n = members.length;
      for (let i = 1; i < n; i++) times[members[random.below(n)]!]! += n / (n - 1);
    }
    return times;
  }
}

/** Loads `[layers][experts]` of blocks, at least one, that count so many times each. */
export function blockLoads(blocks: readonly HeldOutBlock[], times: readonly number[]): Float64Array[] {
  const sums = blocks[0]!.counts.map((layer) => new Float64Array(layer.length));
  for (const [i, { counts }] of blocks.entries()) {
    const count = times[i]!;
    if (count === 0) continue;
    for (const [layer, loads] of sums.entries()) {
      const own = counts[layer]!;
      for (let expert = 0; expert < loads.length; expert++) loads[expert]! += count * own[expert]!;
    }
  }
  return sums;
}
