/**
 * How a model routes, beside what it would by chance: how decided its routers are, what they do with places and
 * frequencies, how steady they are from one evaluation to the next, and how alike its experts are.
 */
import type { GroupInformation, MaxViolations } from '@lpr/metrics';
import type { Column, Row, TableRecord } from './table.ts';
import { formatNumber } from './table.ts';

/** What is measured of one layer's routing of some tokens. */
export interface LayerRouting {
  /** null for a router whose experts are not those of the largest scores. */
  readonly decisions: {
    readonly entropy: number;
    readonly margin: number;
    readonly independentMargin: number;
  } | null;
  /** Gini of the weights that experts were chosen with, summed over tokens, and of how often they were. */
  readonly massGini: number;
  readonly loadGini: number;
  /** Of the place in a sequence, and of how often a token id occurs. */
  readonly position: GroupInformation;
  readonly frequency: GroupInformation;
  readonly maxViolations: MaxViolations;
}

export interface RoutingNumbers {
  /** What it is of: "held-out text after step 40". */
  readonly what: string;
  /** Of the batches that `maxViolations` is of. */
  readonly batchTokens: number;
  /** What MaxVio a uniform router has in a batch; null where no token reached an expert. */
  readonly batchFloor: number | null;
  readonly layers: readonly LayerRouting[];
}

/** Of every layer and as mean; levels under independence in brackets. */
export function routingTable({ what, batchTokens, batchFloor, layers }: RoutingNumbers): TableRecord {
  const rows = layers.map((layer): Row => {
    const { decisions, massGini, loadGini, position, frequency, maxViolations } = layer;
    return {
      entropy: decisions?.entropy ?? null,
      margin: decisions?.margin ?? null,
      'margin.level': decisions?.independentMargin ?? null,
      mass: massGini,
      'mass.level': loadGini,
      position: position.nats,
      'position.level': position.independent,
      frequency: frequency.nats,
      'frequency.level': frequency.independent,
      batch: maxViolations.batch,
      'batch.level': batchFloor,
      worst: maxViolations.worstBatch,
    };
  });
  const measure = (key: string, title: string): Column => ({
    key,
    title,
    format: 'measure',
    decimals: 3,
    beside: { key: `${key}.level` },
  });
  return {
    title: `Routing of ${what}; in brackets: what independence would give`,
    columns: [
      { key: 'name', title: 'routing' },
      { key: 'entropy', title: 'entropy', decimals: 3 },
      measure('margin', 'margin'),
      measure('mass', 'mass Gini'),
      measure('position', 'I(expert; position)'),
      measure('frequency', 'I(expert; frequency)'),
      measure('batch', 'MaxVio a batch'),
      { key: 'worst', title: 'worst batch', decimals: 3 },
    ],
    rows: [...rows.map((row, i) => ({ name: `layer ${i}`, ...row })), { name: 'mean', ...meanOf(rows) }],
    notes: [
      'Entropy of the scores over the largest there is, and margin between the last score that is chosen and the first that is not, in standard deviations of ' +
        "a token's scores: a uniform router has entropy 1 and margin 0, unrelated scores the margin in brackets.",
      'Mass is the sum of the weights that an expert was chosen with; in brackets the Gini of how often it was, which weights of no relation to experts would give.',
      'Information about the place in the sequence and about how often the token occurs is in nats, in eight ranges each.',
      `MaxVio is the mean over batches of ${formatNumber(batchTokens, 0)} tokens; in brackets that of a uniform router.`,
    ],
  };
}

function meanOf(rows: readonly Row[]): Row {
  return Object.fromEntries(
    Object.keys(rows[0] ?? {}).map((key) => {
      const values = rows.flatMap((row) => (typeof row[key] === 'number' ? [row[key]] : []));
      return [key, values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length];
    }),
  );
}

/** What two routings of the same tokens have in common in one layer. */
export interface LayerStability {
  /** Share of a token's experts before that still are, and what independent routings of the same loads would keep. */
  readonly kept: number;
  readonly independent: number;
  /** Share of the tokens with the same experts. */
  readonly sameExperts: number;
  /** Share of the weight that went elsewhere. */
  readonly movedWeight: number;
}

/** @param what "4,096 held-out tokens, step 40 against step 20" */
export function stabilityTable(what: string, layers: readonly LayerStability[]): TableRecord {
  const rows = layers.map(
    ({ kept, independent, sameExperts, movedWeight }): Row => ({
      kept,
      'kept.level': independent,
      sameExperts,
      movedWeight,
    }),
  );
  return {
    title: `Stability of the routing: ${what}; in brackets: independent routings of the same loads`,
    columns: [
      { key: 'name', title: 'stability' },
      { key: 'kept', title: 'experts kept', format: 'measure', decimals: 3, beside: { key: 'kept.level' } },
      { key: 'sameExperts', title: 'tokens with the same experts', decimals: 3 },
      { key: 'movedWeight', title: 'weight moved', decimals: 3 },
    ],
    rows: [...rows.map((row, i) => ({ name: `layer ${i}`, ...row })), { name: 'mean', ...meanOf(rows) }],
    notes: [],
  };
}

/** How alike the experts of a layer are. */
export interface SimilarityRow {
  readonly layer: number;
  /** Mean over pairs, and what it would be were the tokens of one expert paired at random with those of another. */
  readonly mean: number;
  readonly independent: number;
  /** The pair that is most alike; null where there is none. */
  readonly closest: { readonly experts: readonly [number, number]; readonly value: number } | null;
}

/** @param what "256 held-out tokens after step 40" */
export function similarityTable(what: string, layers: readonly SimilarityRow[]): TableRecord {
  return {
    title: `Similarity of experts: linear CKA of their outputs on ${what}; in brackets: tokens paired at random`,
    columns: [
      { key: 'name', title: 'similarity' },
      { key: 'mean', title: 'mean CKA', format: 'measure', decimals: 3, beside: { key: 'level' } },
      { key: 'most', title: 'most alike', decimals: 3 },
      { key: 'pair', title: 'experts' },
    ],
    rows: layers.map(({ layer, mean, independent, closest }) => ({
      name: `layer ${layer}`,
      mean,
      level: independent,
      most: closest?.value ?? null,
      pair: closest === null ? '-' : closest.experts.join(' and '),
    })),
    notes: [
      'Experts read the same tokens, so untrained ones are alike too: 1 is the same but for turning and scaling; compare layers, runs and steps.',
    ],
  };
}
