/**
 * The table of balance measures, and reports made from it: of one layer, and of several with mean and worst.
 *
 * A new measure is a function in `balance.ts` and an entry here; reports, reference levels and whatever prints or draws
 * measures go through the table.
 */
import { largest, mean, smallest } from './arrays.ts';
import {
  coefficientOfVariation,
  deadExperts,
  deadFraction,
  effectiveExperts,
  entropy,
  gini,
  klToUniform,
  maxViolation,
  minMax,
  variance,
} from './balance.ts';
import { checkCounts, type Counts } from './counts.ts';

/** Lower and upper bound of a measure. */
export type Bounds = readonly [lower: number, upper: number];

/** What a measure of balance is, and how it is shown. */
export interface BalanceMeasure {
  /** As the function and the field of a `BalanceReport` are named. */
  readonly key: BalanceKey;
  /** Short enough for the head of a column: "Gini". */
  readonly title: string;
  /** What it says, in a line without a full stop. */
  readonly meaning: string;
  /** '' for a pure number. */
  readonly unit: '' | 'nats' | 'experts' | 'squared load';
  /** Decimals that are worth printing. */
  readonly decimals: number;
  /** Whether balance is at the upper bound; else it is at the lower one. */
  readonly growsWithBalance: boolean;
  /** Bounds for so many experts under any load. */
  readonly bounds: (experts: number) => Bounds;
  /** The shortest tables that show it: few columns, all columns, or none (it is in files alone). */
  readonly tables: 'short' | 'full' | 'none';
  /** The measure itself, from the loads of a layer. */
  readonly of: (counts: Counts) => number;
}

/** In the order in which they are shown. */
const MEASURES = {
  gini: {
    title: 'Gini',
    meaning: 'how far the loads of pairs of experts are apart; 0 is balance',
    unit: '',
    decimals: 3,
    growsWithBalance: false,
    bounds: (experts: number): Bounds => [0, (experts - 1) / experts],
    tables: 'short',
    of: (counts: Counts): number => gini(counts),
  },
  minMax: {
    title: 'min-max',
    meaning: 'smallest load over the largest; 1 is balance, 0 a dead expert',
    unit: '',
    decimals: 3,
    growsWithBalance: true,
    bounds: (): Bounds => [0, 1],
    tables: 'short',
    of: (counts: Counts): number => minMax(counts),
  },
  maxViolation: {
    title: 'MaxVio',
    meaning: 'how far the busiest expert is above its fair share; 0 is balance, 1 twice the share',
    unit: '',
    decimals: 3,
    growsWithBalance: false,
    bounds: (experts: number): Bounds => [0, experts - 1],
    tables: 'short',
    of: (counts: Counts): number => maxViolation(counts),
  },
  /** With ddof 0. */
  coefficientOfVariation: {
    title: 'CV',
    meaning: 'standard deviation of the loads over their mean; 0 is balance',
    unit: '',
    decimals: 3,
    growsWithBalance: false,
    bounds: (experts: number): Bounds => [0, Math.sqrt(experts - 1)],
    tables: 'full',
    of: (counts: Counts): number => coefficientOfVariation(counts),
  },
  entropy: {
    title: 'entropy',
    meaning: 'entropy of the shares of load over its maximum; 1 is balance',
    unit: '',
    decimals: 4,
    growsWithBalance: true,
    bounds: (): Bounds => [0, 1],
    tables: 'full',
    of: (counts: Counts): number => entropy(counts),
  },
  effectiveExperts: {
    title: 'effective',
    meaning: 'how many equally loaded experts would have the same entropy; all of them is balance',
    unit: 'experts',
    decimals: 1,
    growsWithBalance: true,
    bounds: (experts: number): Bounds => [1, experts],
    tables: 'full',
    of: (counts: Counts): number => effectiveExperts(counts),
  },
  klToUniform: {
    title: 'KL',
    meaning: 'Kullback-Leibler divergence of the shares of load from even ones; 0 is balance',
    unit: 'nats',
    decimals: 4,
    growsWithBalance: false,
    bounds: (experts: number): Bounds => [0, Math.log(experts)],
    tables: 'full',
    of: (counts: Counts): number => klToUniform(counts),
  },
  deadExperts: {
    title: 'dead',
    meaning: 'experts that got no token',
    unit: 'experts',
    decimals: 0,
    growsWithBalance: false,
    bounds: (experts: number): Bounds => [0, experts],
    tables: 'full',
    of: (counts: Counts): number => deadExperts(counts),
  },
  deadFraction: {
    title: 'dead share',
    meaning: 'share of the experts that got no token',
    unit: '',
    decimals: 3,
    growsWithBalance: false,
    bounds: (): Bounds => [0, 1],
    tables: 'none',
    of: (counts: Counts): number => deadFraction(counts),
  },
  /** With ddof 0. */
  variance: {
    title: 'variance',
    meaning: 'variance of the loads; it grows with the number of tokens',
    unit: 'squared load',
    decimals: 1,
    growsWithBalance: false,
    bounds: (): Bounds => [0, Infinity],
    tables: 'none',
    of: (counts: Counts): number => variance(counts),
  },
} as const;

/** Name of a measure. */
export type BalanceKey = keyof typeof MEASURES;

/** Every measure of one layer; the functions of the same names say what each is. */
export type BalanceReport = { readonly [Key in keyof typeof MEASURES]: number };

/** All measures of balance, in the order in which they are shown. */
export const balanceMeasures: readonly BalanceMeasure[] = (Object.keys(MEASURES) as BalanceKey[]).map((key) => ({
  key,
  ...MEASURES[key],
}));

/** Something for each measure, under its name. */
export function mapMeasures<Value>(of: (measure: BalanceMeasure) => Value): Record<BalanceKey, Value> {
  return Object.fromEntries(balanceMeasures.map((measure) => [measure.key, of(measure)])) as Record<BalanceKey, Value>;
}

/** All measures of one layer's loads. */
export function balanceReport(counts: Counts): BalanceReport {
  return mapMeasures(({ of }) => of(counts));
}

/** The measures of several layers. */
export interface LayersReport {
  readonly layers: readonly BalanceReport[];
  /**
   * Each measure averaged over the layers. Loads are never pooled: that would hide layers that are imbalanced
   * oppositely.
   */
  readonly mean: BalanceReport;
  /** Each measure at its least balanced layer (which may differ from measure to measure). */
  readonly worst: BalanceReport;
}

/**
 * The measures of each layer, with mean and worst over layers.
 *
 * @param countsPerLayer one array of loads per layer; at least one layer.
 */
export function layersReport(countsPerLayer: readonly Counts[]): LayersReport {
  const layers = countsPerLayer.map((counts, layer) => {
    checkCounts(counts, `countsPerLayer[${layer}]`);
    return balanceReport(counts);
  });
  if (layers.length === 0) throw new RangeError('countsPerLayer is empty; it needs the loads of at least one layer');
  const over = (summarise: (values: readonly number[], measure: BalanceMeasure) => number): BalanceReport =>
    mapMeasures((measure) =>
      summarise(
        layers.map((report) => report[measure.key]),
        measure,
      ),
    );
  return { layers, mean: over(mean), worst: over(leastBalanced) };
}

/** The value of the least balanced layer. */
export function leastBalanced(values: ArrayLike<number>, { growsWithBalance }: BalanceMeasure): number {
  return growsWithBalance ? smallest(values) : largest(values);
}
