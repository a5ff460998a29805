/**
 * What a measure of balance is worth: the levels that routers without any structure reach, with the range that chance
 * gives them.
 *
 * The **sampling floor** is a perfectly uniform router, seen through a finite number of tokens: a measured Gini below
 * it is luck, one in its range is as good as balance gets. The **isotropic null** is latent routing where nothing was
 * learnt: Gaussian latents, random unit keys, cosine top-k. It is close to balanced by symmetry alone, so a trained
 * latent router has to be read against it.
 */
import { mean, type MeasureRange, rangeOf } from './arrays.ts';
import {
  type BalanceKey,
  balanceMeasures,
  type BalanceReport,
  balanceReport,
  leastBalanced,
  mapMeasures,
} from './balance-measures.ts';
import { checkPositiveInteger } from './checks.ts';
import { isotropicLoads } from './isotropic-null.ts';
import { Random } from './random.ts';
import { uniformLoads } from './sampling-floor.ts';

/** What `samplingFloor` is simulated for. */
export interface SamplingFloorSettings {
  /** Number of experts, M. */
  readonly experts: number;
  /** Distinct experts that each token goes to, k; from 1 to M. */
  readonly topK: number;
  /** Tokens routed in the window that the measured load comes from. */
  readonly tokens: number;
  /** Seed of the simulation, an integer >= 0, default 0; the same seed gives the same levels. */
  readonly seed?: number;
  /** Layers of the model, L, that `mean` and `worst` are taken over. Default 1. */
  readonly layers?: number;
}

/** What `isotropicNull` and `referenceLevels` are simulated for. */
export interface ReferenceSettings extends SamplingFloorSettings {
  /** Width of the latent space, D; the paper uses 16. */
  readonly latentDim: number;
}

/** The spread of every measure of balance. */
export type BalanceRanges = Readonly<Record<BalanceKey, MeasureRange>>;

/** What a level is of: one layer, the mean over L layers, or the least balanced of L layers. */
export type LevelOf = 'layer' | 'mean' | 'worst';

/** Layers that the sampling floor is simulated with. */
const FLOOR_LAYERS = 1000;
/** Draws of keys that the isotropic null is simulated with; each is a layer. */
const NULL_LAYERS = 32;
/** Models of L layers that are put together from simulated layers. */
const MODELS = 1000;

/** The measures that routers without structure reach, over simulated layers. */
export class ReferenceLevel {
  /** Layers that were simulated. */
  readonly simulated: number;
  /** Of one layer. */
  readonly layer: BalanceRanges;
  /** Of the mean over L layers. */
  readonly mean: BalanceRanges;
  /** Of the least balanced of L layers. */
  readonly worst: BalanceRanges;
  readonly #samples: Readonly<Record<BalanceKey, Readonly<Record<LevelOf, Float64Array>>>>;

  /**
   * @param loads `[simulated][experts]`
   * @param layers L; the layers of a model are drawn from the simulated ones
   */
  constructor(loads: readonly Float64Array[], layers: number, random: Random) {
    const reports = loads.map((counts) => balanceReport(counts));
    const models = Array.from({ length: layers === 1 ? 0 : MODELS }, () =>
      Array.from({ length: layers }, () => random.below(reports.length)),
    );
    this.simulated = reports.length;
    this.#samples = mapMeasures((measure) => {
      const layer = Float64Array.from(reports, (report) => report[measure.key]);
      if (layers === 1) return { layer, mean: layer, worst: layer };
      const values = models.map((model) => model.map((index) => layer[index]!));
      return {
        layer,
        mean: Float64Array.from(values, mean),
        worst: Float64Array.from(values, (each) => leastBalanced(each, measure)),
      };
    });
    const ranges = (of: LevelOf): BalanceRanges => mapMeasures(({ key }) => rangeOf(this.#samples[key][of]));
    this.layer = ranges('layer');
    this.mean = ranges('mean');
    this.worst = ranges('worst');
  }

  /** Every measure's mean over simulated layers: the level as one number. */
  get expected(): BalanceReport {
    return mapMeasures(({ key }) => this.layer[key].mean);
  }

  /**
   * Probability that routers without structure would show a measure that is as far from balance or farther, one-sided:
   * `(1 + r) / (1 + n)` with r of n simulated values as far, so never below `1 / (1 + n)`. `NaN` for `NaN`. With the
   * counts at hand, `uniformityTest` says more.
   *
   * @param of what the value is of; with one layer all are the same.
   */
  pValue(key: BalanceKey, value: number, of: LevelOf = 'layer'): number {
    if (Number.isNaN(value)) return value;
    const { growsWithBalance } = balanceMeasures.find((measure) => measure.key === key)!;
    const samples = this.#samples[key][of];
    // The same loads in another order, or another order of layers, give a sum that is rounded otherwise.
    const rounding = 1e-12 * Math.abs(value);
    const asFar = samples.filter((sample) =>
      growsWithBalance ? sample <= value + rounding : sample >= value - rounding,
    );
    return (1 + asFar.length) / (1 + samples.length);
  }
}

/** Both levels at one number of tokens. */
export interface ReferenceLevels {
  /** Tokens of the window that they are of. */
  readonly tokens: number;
  readonly samplingFloor: ReferenceLevel;
  readonly isotropicNull: ReferenceLevel;
}

/**
 * The levels for a window of so many tokens, any number of them. Takes about a second for 512 experts, 8 of them a
 * token, and latents of width 16; more tokens do not take more time.
 */
export function referenceLevels(settings: ReferenceSettings): ReferenceLevels {
  return { tokens: settings.tokens, samplingFloor: samplingFloor(settings), isotropicNull: isotropicNull(settings) };
}

/**
 * Routers that send each token to `topK` distinct experts drawn uniformly at random: exact counts of 1000 layers,
 * whatever the number of tokens.
 */
export function samplingFloor(settings: SamplingFloorSettings): ReferenceLevel {
  const { seed = 0, layers = 1 } = settings;
  checkSettings(settings);
  const random = new Random(seed);
  return new ReferenceLevel(
    Array.from({ length: FLOOR_LAYERS }, () => uniformLoads(random, settings)),
    layers,
    random,
  );
}

/**
 * Untrained latent routers: latents from `N(0, I_D)`, keys `r / |r|` with `r ~ N(0, I_D)` (the paper's hyperspherical
 * initialisation), each token to the `topK` keys of largest cosine. 32 draws of keys, so the range is about that from
 * the smallest to the largest of 32 layers. Keys differ, so the range is much wider than the floor's.
 *
 * Up to 4096 tokens (`NULL_LATENTS`) every token is simulated. With more, the level is that of the geometry of the
 * keys, estimated from about 8192 latents, with the sampling noise of `tokens` on top: its variance is right, its shape
 * is that of the normal distribution. Where a key gets few of those latents (512 keys and k 1: 16 each), the range
 * comes out up to twice too wide, while the mean stays within a few per cent.
 */
export function isotropicNull(settings: ReferenceSettings): ReferenceLevel {
  const { seed = 0, layers = 1 } = settings;
  checkSettings(settings);
  checkPositiveInteger('latentDim', settings.latentDim);
  const random = new Random(seed);
  return new ReferenceLevel(isotropicLoads(random, settings, NULL_LAYERS), layers, random);
}

function checkSettings({ experts, topK, tokens, layers = 1 }: SamplingFloorSettings): void {
  checkPositiveInteger('experts', experts);
  checkPositiveInteger('topK', topK);
  checkPositiveInteger('tokens', tokens);
  checkPositiveInteger('layers', layers);
  if (topK > experts) {
    throw new RangeError(`topK is ${topK}, but there are only ${experts} experts to choose distinct ones from`);
  }
}
