/**
 * How far the held-out text decides a result of one run: a bootstrap over blocks of consecutive sequences (Efron and
 * Tibshirani 1993, An introduction to the bootstrap). It says nothing of what another seed would give.
 */
import { mean } from './arrays.ts';
import { balanceMeasures, type BalanceKey, layersReport } from './balance-measures.ts';
import { BlockDraws, blockLoads } from './block-draws.ts';
import type { HeldOutBlock } from './held-out-blocks.ts';
import { Random } from './random.ts';
import { studentQuantile } from './special-functions.ts';
import { CONFIDENCE, type Estimate } from './statistics.ts';

/** What is resampled: the loss, and each measure of balance as its mean over layers. */
export type BlockKey = 'testLoss' | BalanceKey;

/** Of each; NaN where it does not exist. */
type BlockNumbers = Readonly<Record<BlockKey, number>>;

const KEYS: readonly BlockKey[] = ['testLoss', ...balanceMeasures.map(({ key }) => key)];

/** Their standard deviation has an error of 3 %. */
const DRAWS = 500;

/**
 * Resampled evaluations of one run.
 *
 * The error of a number is the standard deviation of its draws (`BlockDraws`) times Student's t of blocks less domains.
 * Two runs on the same blocks have the same draws, so that they are compared block by block.
 */
export class BlockBootstrap {
  /** As evaluated. */
  readonly numbers: BlockNumbers;
  readonly #blocks: readonly HeldOutBlock[];
  readonly #draws: readonly BlockNumbers[];
  /** null where there is no interval: a domain of one block has nothing to be compared with. */
  readonly #quantile: number | null;

  /**
   * @param blocks of the whole evaluation, those of a domain one after the other; at least one
   * @param seed of the draws
   */
  constructor(blocks: readonly HeldOutBlock[], seed: number = 0) {
    if (blocks.length === 0) throw new RangeError('blocks is empty; a bootstrap needs the blocks of an evaluation');
    const draws = new BlockDraws(blocks);
    const random = new Random(seed);
    this.#blocks = blocks;
    this.#quantile = draws.isPossible ? studentQuantile(CONFIDENCE, draws.degreesOfFreedom) : null;
    this.numbers = numbersOf(
      blocks,
      blocks.map(() => 1),
    );
    this.#draws = Array.from({ length: draws.isPossible ? DRAWS : 0 }, () => numbersOf(blocks, draws.next(random)));
  }

  /** With its interval. */
  estimate(key: BlockKey): Estimate {
    return {
      mean: this.numbers[key],
      error: this.#error(this.#draws.map((draw) => draw[key])),
    };
  }

  /**
   * How much more this run has than another one, block by block; null unless both were evaluated on blocks of the same
   * domains, weights and lengths. That these hold the same text is for the caller to know.
   */
  difference(key: BlockKey, other: BlockBootstrap): Estimate | null {
    if (!areAlike(this.#blocks, other.#blocks)) return null;
    return {
      mean: this.numbers[key] - other.numbers[key],
      error: this.#error(this.#draws.map((draw, i) => draw[key] - other.#draws[i]![key])),
    };
  }

  /** Half the width of the interval of a number with these draws; null where one of them does not exist. */
  #error(draws: readonly number[]): number | null {
    if (this.#quantile === null || !draws.every(Number.isFinite)) return null;
    const middle = mean(draws);
    return this.#quantile * Math.sqrt(mean(draws.map((value) => (value - middle) ** 2)));
  }
}

/** An evaluation of blocks that count so many times each. */
function numbersOf(blocks: readonly HeldOutBlock[], times: readonly number[]): BlockNumbers {
  let loss = 0;
  let weights = 0;
  for (const [i, block] of blocks.entries()) {
    loss += times[i]! * block.weight * block.loss;
    weights += times[i]! * block.weight * block.tokens;
  }
  const counts = blockLoads(blocks, times);
  const balance = counts.length === 0 ? null : layersReport(counts).mean;
  return Object.fromEntries(
    KEYS.map((key) => [key, key === 'testLoss' ? loss / weights : (balance?.[key] ?? Number.NaN)]),
  ) as Record<BlockKey, number>;
}

function areAlike(a: readonly HeldOutBlock[], b: readonly HeldOutBlock[]): boolean {
  const shape = (blocks: readonly HeldOutBlock[]): string =>
    JSON.stringify(blocks.map(({ domain, weight, tokens }) => [domain, weight, tokens]));
  return a.length === b.length && shape(a) === shape(b);
}
