/** What uneven load costs a machine: how long ranks wait for the busiest, and what experts with few places drop. */
import { type Counts, dropRate, overloadFactor } from '@lpr/metrics';
import type { Column, Row, TableRecord } from './table.ts';

/** Ranks of expert parallelism, of which those are shown that the experts can be dealt out to evenly. */
const RANKS = [2, 4, 8, 16, 32, 64];
/** Places of an expert over its uniform share. */
const CAPACITIES = [1, 1.25, 2];

/** What a cost is called, and how it is computed of a layer's loads. */
interface Cost {
  readonly title: string;
  readonly of: (loads: Counts) => number;
}

/** By the keys of their columns: of ranks that the experts can be dealt out to evenly, and of places. */
function costsOf(experts: number): Map<string, Cost> {
  const ranks = RANKS.filter((count) => experts % count === 0);
  return new Map<string, Cost>([
    ...ranks.map((count): [string, Cost] => [
      `ranks.${count}`,
      { title: `${count} ranks`, of: (loads) => overloadFactor(loads, count) },
    ]),
    ...CAPACITIES.map((factor): [string, Cost] => [
      `capacity.${factor}`,
      { title: `dropped at ${factor.toFixed(2)}`, of: (loads) => dropRate(loads, factor) },
    ]),
  ]);
}

/** "4 ranks" of the key `ranks.4`, "dropped at 1.25" of `capacity.1.25`; null for another key. */
export function placementTitle(key: string): string | null {
  return costsOf(RANKS.at(-1)!).get(key)?.title ?? null;
}

/**
 * Overload of ranks and share of dropped token-expert pairs, as means over layers, by `ranks.` and how many they are,
 * and `capacity.` and its factor.
 *
 * @param counts loads `[layers][experts]`
 */
export function placementCosts(counts: readonly Counts[]): Readonly<Record<string, number>> {
  if (counts.length === 0) return {};
  return Object.fromEntries(
    Array.from(costsOf(counts[0]!.length), ([key, { of }]) => [key, mean(counts.map((loads) => of(loads)))]),
  );
}

/**
 * Overload of ranks and share of dropped token-expert pairs, of every layer and as mean.
 *
 * @param what the loads are of: "held-out text after step 40"
 * @param counts loads `[layers][experts]`; at least one layer
 */
export function placementTable(what: string, counts: readonly Counts[]): TableRecord {
  const costs = Array.from(costsOf(counts[0]?.length ?? 0));
  return {
    title: `Cost of the load on ${what}`,
    columns: [
      { key: 'name', title: 'cost' },
      ...costs.map(([key, { title }]): Column => ({ key, title, decimals: 3 })),
    ],
    rows: [
      ...counts.map(
        (loads, layer): Row => ({
          name: `layer ${layer}`,
          ...Object.fromEntries(costs.map(([key, { of }]) => [key, of(loads)])),
        }),
      ),
      { name: 'mean', ...placementCosts(counts) },
    ],
    notes: [
      'Of ranks: how much longer all wait for the busiest than with even loads, experts dealt out in equal blocks. ' +
        'Dropped: the share of token-expert pairs beyond the places of an expert, in multiples of its uniform share, ' +
        'as if all tokens were one batch.',
    ],
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
