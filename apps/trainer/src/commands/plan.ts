/** `pnpm trainer plan`: memory and time of a run on several ranks, before there are any. */
import { join } from 'node:path';
import { overloadFactor } from '@lpr/metrics';
import { type DecoderConfig, numbersOfRank, predictMemory, type RankMachine } from '@lpr/model';
import { alignColumns, formatShort } from '@lpr/report/tables';
import { finalEvaluation, readEvaluations, RUN_FILES } from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';
import { FLOPS_A_THREAD, MEMORY_A_THREAD } from '../run/prediction.ts';
import { batchesOfRank, plannedStep } from '../run/ranks-plan.ts';
import { decoderConfig } from '../settings/decoder-config.ts';
import { resolveSettings, type SettingOptions } from '../settings/resolve.ts';
import type { Settings } from '../settings/schema.ts';

export interface PlanOptions extends SettingOptions {
  readonly ranks: number;
  /** Bytes a second and rank. */
  readonly network: number;
  /** Seconds a message. */
  readonly latency: number;
  /** A second and rank; of one thread of the CPU unless given. */
  readonly flops?: number;
  /** Bytes a second and rank from and to its memory; of one thread of the CPU unless given. */
  readonly memory?: number;
  /** Rows of the slowest rank over the mean. */
  readonly loads: readonly number[];
  /** Folders of finished runs whose loads are taken. */
  readonly run: readonly string[];
}

/** Of the table of times, besides those that were asked for. */
const MOST_RANKS = 1024;

/** What imbalance a row of the table is of. */
interface Balance {
  readonly name: string;
  /** Rows of the slowest of so many ranks over the mean; null where it is not known. */
  readonly loadOf: (ranks: number) => number | null;
}

/** Prints the plan. */
export async function printPlan(options: PlanOptions): Promise<void> {
  const settings = resolveSettings(options);
  const config = decoderConfig(settings, settings.size.vocabulary);
  console.log(planText(settings, config, options, await balancesOf(options)).join('\n'));
}

/** The lines that `plan` prints. */
export function planText(
  settings: Settings,
  config: DecoderConfig,
  options: PlanOptions,
  balances: readonly Balance[],
): string[] {
  const { ranks, network, latency, flops = FLOPS_A_THREAD, memory = MEMORY_A_THREAD } = options;
  const { data, size, router } = settings;
  const { batchSize: batch, sequenceLength: sequence } = data;
  const machine = { flops, memory, bandwidth: network, latency };
  const microBatches = batchesOfRank(settings, ranks);
  const each = `${microBatches === 1 ? 'a batch' : `${microBatches} batches`} of ${batch} x ${sequence} tokens`;
  return [
    `${ranks} ranks train ${router} with ${size.experts} experts; a step of each is ${each}`,
    `${formatShort(flops)} operations, ${formatShort(memory)} bytes of memory, ${formatShort(network)} bytes a second and rank, ${(1e6 * latency).toPrecision(3)} us a message`,
    '',
    ...alignColumns(memoryRows(config, settings, ranks)),
    '',
    ...alignColumns(timeRows(config, settings, options, machine, balances)),
    '',
    'Load: rows of the rank whose experts get the most over the mean. Efficiency: tokens a second and rank over those of one rank.',
    ...(ranks > size.experts
      ? [`Of more ranks than the ${size.experts} experts some own none; they are left out here.`]
      : []),
  ];
}

function memoryRows(config: DecoderConfig, { data, training, size }: Settings, ranks: number): string[][] {
  const kinds = [false, ...(ranks > 1 && ranks <= size.experts ? [true] : [])];
  const columns = kinds.map((expertParallel) => {
    const { own, common } = numbersOfRank(config, { ranks, expertParallel });
    const { gradients, optimizer, activations, parameters, total } = predictMemory(config, {
      batch: data.batchSize,
      sequence: data.sequenceLength,
      training: true,
      accumulation: training.accumulation,
      moments: training.moments,
      ranks: expertParallel ? ranks : 1,
    });
    const experts = 4 * (expertParallel ? own : expertNumbers(config));
    return { experts, others: parameters - experts, optimizer, gradients, activations, total, common };
  });
  const row = (
    name: string,
    key: 'experts' | 'others' | 'optimizer' | 'gradients' | 'activations' | 'total',
  ): string[] => [name, ...columns.map((column) => (column[key] / 2 ** 30).toFixed(3))];
  return [
    ['memory of each rank, GiB', ...kinds.map((own) => (own ? 'own experts each' : 'all experts each'))],
    row('weights of experts', 'experts'),
    row('all other weights', 'others'),
    row('moments of the optimiser', 'optimizer'),
    row('gradients', 'gradients'),
    row('activations', 'activations'),
    row('together', 'total'),
  ];
}

/** All numbers that are a matrix an expert. */
function expertNumbers(config: DecoderConfig): number {
  return numbersOfRank(config, { ranks: 1, expertParallel: true }).own;
}

function timeRows(
  config: DecoderConfig,
  settings: Settings,
  { ranks }: PlanOptions,
  machine: RankMachine,
  balances: readonly Balance[],
): string[][] {
  const { size } = settings;
  const counts = new Set([ranks]);
  for (let count = 1; count <= MOST_RANKS; count *= 2) counts.add(count);
  const row = (count: number, name: string, expertParallel: boolean, load: number): string[] => {
    const step = plannedStep(config, settings, machine, { ranks: count, expertParallel, load });
    const { compute, imbalance, memory, allToAll, allReduce, total, sentGradients, sentTokens, efficiency } = step;
    const milliseconds = [compute, imbalance, memory, allToAll, allReduce, total].map((time) =>
      formatMilliseconds(1000 * time),
    );
    return [
      ...[String(count), name, load.toFixed(2), ...milliseconds],
      ...[formatShort(sentGradients), formatShort(sentTokens), formatShort(step.tokensPerSecond)],
      efficiency.toFixed(2),
    ];
  };
  return [
    [
      ...['ranks', 'experts', 'load', 'compute ms', 'of it imbalance', 'memory', 'all-to-all', 'all-reduce', 'step ms'],
      ...['gradient bytes', 'token bytes', 'tokens/s', 'efficiency'],
    ],
    ...[...counts]
      .toSorted((a, b) => a - b)
      .flatMap((count) => [
        row(count, 'all each', false, 1),
        ...(count === 1 || count > size.experts
          ? []
          : balances.flatMap(({ name, loadOf }) => {
              const load = loadOf(count);
              return load === null ? [] : [row(count, name, true, Math.min(load, count))];
            })),
      ]),
  ];
}

function formatMilliseconds(value: number): string {
  return value === 0 ? '0' : value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** @throws UsageError for a folder that is no finished run */
async function balancesOf({ loads, run }: PlanOptions): Promise<Balance[]> {
  const ofRuns = await Promise.all(
    run.map(async (folder): Promise<Balance> => {
      const evaluation = finalEvaluation(await readEvaluations(folder).catch(() => []));
      const counts = evaluation?.counts ?? [];
      if (counts.length === 0) {
        throw new UsageError(
          `--run ${folder}: expected the folder of a finished run of a model with experts, but ${join(folder, RUN_FILES.evaluations)} has no final evaluation with loads`,
        );
      }
      return {
        name: folder,
        loadOf: (ranks) =>
          counts[0]!.length % ranks === 0
            ? counts.reduce((sum, layer) => sum + overloadFactor(layer, ranks), 0) / counts.length
            : null,
      };
    }),
  );
  return [...loads.map((load): Balance => ({ name: 'own each', loadOf: () => load })), ...ofRuns];
}
