/** What uneven load costs a machine: how long ranks wait for the busiest, and what experts with few places drop. */
import { type Counts, dropRate, overloadFactor } from '@lpr/metrics';
import type { Column, Row, TableRecord } from './table.ts';

/** Ranks of expert parallelism, of which those are shown that the experts can be dealt out to evenly. */
const RANKS = [2, 4, 8, 16, 32, 64];
/** Ranks that are shown at most. */
const MOST_RANKS = 3;
/** Places of an expert over its uniform share. */
const CAPACITIES = [1, 1.25, 2];

/**
 * Overload of ranks and share of dropped token-expert pairs, of every layer and as mean.
 *
 * @param what the loads are of: "held-out text after step 40"
 * @param counts loads `[layers][experts]`; at least one layer
 */
export function placementTable(what: string, counts: readonly Counts[]): TableRecord {
  const experts = counts[0]?.length ?? 0;
  const ranks = RANKS.filter((count) => count <= experts && experts % count === 0).slice(0, MOST_RANKS);
  const columns = [
    ...ranks.map((count) => ({
      key: `ranks.${count}`,
      title: `${count} ranks`,
      of: (loads: Counts) => overloadFactor(loads, count),
    })),
    ...CAPACITIES.map((factor) => ({
      key: `capacity.${factor}`,
      title: `dropped at ${factor.toFixed(2)}`,
      of: (loads: Counts) => dropRate(loads, factor),
    })),
  ];
  const row = (name: string, valueOf: (of: (loads: Counts) => number) => number): Row => ({
    name,
    ...Object.fromEntries(columns.map(({ key, of }) => [key, valueOf(of)])),
  });
  const mean = (of: (loads: Counts) => number): number =>
    counts.reduce((sum, loads) => sum + of(loads), 0) / counts.length;
  return {
    title: `Cost of the load on ${what}`,
    columns: [
      { key: 'name', title: 'cost' },
      ...columns.map(({ key, title }): Column => ({ key, title, decimals: 3 })),
    ],
    rows: [...counts.map((loads, layer) => row(`layer ${layer}`, (of) => of(loads))), row('mean', mean)],
    notes: [
      'Of ranks: how much longer all wait for the busiest than with even loads, experts dealt out in equal blocks. ' +
        'Dropped: the share of token-expert pairs beyond the places of an expert, in multiples of its uniform share, ' +
        'as if all tokens were one batch.',
    ],
  };
}
