/** What a step of a run takes on several ranks, by the cost model. */
import { type DecoderConfig, type RankedStep, type RankMachine, rankCost, stepTime } from '@lpr/model';
import type { TablesResult } from '@lpr/results';
import { decoderConfig } from '../settings/decoder-config.ts';
import { resolveSettings } from '../settings/resolve.ts';
import type { Settings } from '../settings/schema.ts';

/** Who trains: so many ranks, which own some experts each or have all, the slowest with so many rows over the mean. */
export type Ranked = Pick<RankedStep, 'ranks' | 'expertParallel'> & { readonly load: number };

/** Seconds, bytes of a rank, and speed. */
export interface PlannedStep {
  readonly compute: number;
  readonly imbalance: number;
  readonly memory: number;
  readonly allToAll: number;
  readonly allReduce: number;
  readonly total: number;
  readonly sentGradients: number;
  readonly sentTokens: number;
  readonly tokensPerSecond: number;
  /** Tokens a second and rank over those of one rank. */
  readonly efficiency: number;
}

/** Batches of a step that each of some ranks computes, at least one. */
export function batchesOfRank({ training }: Settings, ranks: number): number {
  return Math.max(1, Math.ceil(training.accumulation / ranks));
}

export function plannedStep(
  config: DecoderConfig,
  settings: Settings,
  machine: RankMachine,
  ranked: Ranked,
): PlannedStep {
  const { data, training } = settings;
  const stepOf = (of: Ranked): RankedStep => ({
    ...of,
    reduction: training.reduction ?? 'ordered',
    moments: training.moments,
    microBatches: batchesOfRank(settings, of.ranks),
    batch: data.batchSize,
    sequence: data.sequenceLength,
  });
  const speedOf = (of: Ranked): number => {
    const tokens = of.ranks * batchesOfRank(settings, of.ranks) * data.batchSize * data.sequenceLength;
    return tokens / stepTime(config, stepOf(of), machine).total;
  };
  const { sentGradients, sentTokens } = rankCost(config, stepOf(ranked));
  const tokensPerSecond = speedOf(ranked);
  return {
    ...stepTime(config, stepOf(ranked), machine),
    ...{ sentGradients, sentTokens, tokensPerSecond },
    efficiency: tokensPerSecond / ranked.ranks / speedOf({ ranks: 1, expertParallel: false, load: 1 }),
  };
}

/** A network of 200 Gb/s and a rank that computes as a GPU. */
const GPUS: RankMachine = { flops: 60e12, memory: 2e12, bandwidth: 25e9, latency: 5e-6 };

/** Loads of the slowest rank, and where they come from. */
const BALANCES = [
  ['even', 1],
  ['LPR', 1.1],
  ['own router', 1.7],
] as const;

/** The paper's model with an expert for each of 1,024 ranks, on GPUs. */
export function scalingTable(): TablesResult['tables'][string] {
  const set = ['size.experts=1024', 'training.accumulation=1'];
  const settings = resolveSettings({ preset: 'paper/qwen3-moe-lpr', config: [], set });
  const config = decoderConfig(settings, settings.size.vocabulary);
  const rows = [16, 64, 256, 1024].flatMap((ranks) =>
    BALANCES.map(([balance, load]) => {
      const step = plannedStep(config, settings, GPUS, { ranks, expertParallel: true, load });
      const { compute, imbalance, memory, allToAll, allReduce, total, efficiency } = step;
      const times = Object.entries({ compute, imbalance, memory, allToAll, allReduce, total });
      return {
        ...{ ranks, balance, load, efficiency },
        ...Object.fromEntries(times.map(([name, time]) => [name, 1000 * time])),
      };
    }),
  );
  return {
    title: 'Predicted time of a step, ms',
    columns: [
      { key: 'ranks', title: 'ranks', format: 'plain' },
      { key: 'balance', title: 'balance' },
      { key: 'load', title: 'load', decimals: 1 },
      { key: 'compute', title: 'compute', decimals: 0 },
      { key: 'imbalance', title: 'of it imbalance', decimals: 0 },
      { key: 'memory', title: 'memory', decimals: 0 },
      { key: 'allToAll', title: 'all-to-all', decimals: 0 },
      { key: 'allReduce', title: 'all-reduce', decimals: 0 },
      { key: 'total', title: 'step', decimals: 0 },
      { key: 'efficiency', title: 'efficiency', decimals: 2 },
    ],
    rows,
    notes: [
      'Efficiency: tokens a second and rank over those of one rank, which would need the memory for all experts.',
    ],
  };
}
