/** What a run will take, told before it starts: parameters, memory and time. */
import { availableParallelism, totalmem } from 'node:os';
import { countParameters, type MemoryPrediction, predictFlops, predictMemory } from '@lpr/model';
import { formatShort } from '@lpr/report/tables';
import { UsageError } from '../cli/errors.ts';
import { calibratedTokens } from '../settings/calibration.ts';
import { decoderConfig } from '../settings/decoder-config.ts';
import { formatSeconds } from '../cli/progress.ts';
import type { Settings } from '../settings/schema.ts';

/** What a WebAssembly memory can address. */
export const WASM_BYTES: number = 2 ** 32;

/**
 * Floating-point operations of a whole training step a second and thread: two threads of an AMD EPYC do 76e9 to 81e9
 * (`trainer bench`, small and medium).
 */
export const FLOPS_A_THREAD = 35e9;

/** Bytes a second that a thread moves from and to memory, of the same processor: `pnpm bench ranks` has 10 to 13e9. */
export const MEMORY_A_THREAD = 10e9;

export interface Prediction {
  readonly parameters: number;
  /** Of these, those that one token passes through. */
  readonly activeParameters: number;
  /** On the device, in bytes: the larger of a training step and an evaluation batch. */
  readonly memory: MemoryPrediction;
  readonly memoryOf: 'a training step' | 'an evaluation batch';
  readonly tokens: number;
  /** Floating-point operations of the whole training, with its calibration. */
  readonly flops: number;
  /** Of training on the CPU, roughly; null where a GPU computes, whose speed is not known before it is tried. */
  readonly seconds: number | null;
}

/**
 * Sizes and costs of a run, from its settings alone.
 *
 * @param ranks that train it together; memory is that of each, where they share experts out
 */
export function predictRun(settings: Settings, ranks = 1): Prediction {
  const { data, training, evaluation, size, device, threads } = settings;
  const config = decoderConfig(settings, size.vocabulary);
  const { sequenceLength: sequence } = data;
  const { accumulation, moments } = training;
  const counts = countParameters(config);
  const shared = { ranks: training.expertParallel ? ranks : 1 };
  const trained = { batch: data.batchSize, sequence, training: true, accumulation, moments };
  const step = predictMemory(config, { ...trained, ...shared });
  const held = predictMemory(config, { batch: evaluation.batchSize, sequence, training: false, ...shared });
  const tokens = tokensOfRun(settings);
  const perToken = predictFlops(config, { sequence });
  const flops = tokens * perToken.training + calibratedTokens(settings) * perToken.withoutHead;
  return {
    parameters: counts.total,
    activeParameters: counts.active,
    memory: step.total >= held.total ? step : held,
    memoryOf: step.total >= held.total ? 'a training step' : 'an evaluation batch',
    tokens,
    flops,
    seconds: device === 'wasm' ? flops / (FLOPS_A_THREAD * Math.max(1, threads ?? availableParallelism())) : null,
  };
}

/** Tokens that a run trains on. */
export function tokensOfRun({ data, training }: Settings): number {
  return training.steps * training.accumulation * data.batchSize * data.sequenceLength;
}

/** "4.4M parameters (1.9M active), 0.12 GiB on the device, 655k tokens, 8.1 TFLOP a thousand tokens, roughly 3m05s". */
export function predictionText({ parameters, activeParameters, memory, tokens, flops, seconds }: Prediction): string {
  const parts = [
    `${formatShort(parameters)} parameters (${formatShort(activeParameters)} active)`,
    `${gibibytes(memory.total)} on the device`,
    `${formatShort(tokens)} tokens`,
    `${(flops / 1e12).toPrecision(3)} TFLOP`,
  ];
  return [...parts, ...(seconds === null ? [] : [`roughly ${formatSeconds(seconds)} on this CPU`])].join(', ');
}

/**
 * Throws when a run cannot fit into the memory of its device, or of this machine. A GPU says itself when its memory is
 * exhausted: how much it has, no program is told.
 *
 * @throws UsageError that names the sizes, and what the run would take otherwise
 */
export function checkFits(settings: Settings, ranks = 1): void {
  const { device, training } = settings;
  if (device !== 'wasm') return;
  const prediction = predictRun(settings, ranks);
  const { memory, memoryOf } = prediction;
  const limits = [
    { bytes: WASM_BYTES, owner: 'WebAssembly addresses' },
    { bytes: totalmem(), owner: 'this machine has' },
  ];
  const exceeded = limits.find(({ bytes }) => memory.total > bytes);
  if (exceeded === undefined) return;
  const { total: _, ...parts } = memory;
  const list = Object.entries(parts).map(([name, bytes]) => `${name} ${gibibytes(bytes)}`);
  throw new UsageError(
    `${memoryOf} would take ${gibibytes(memory.total)} (${list.join(', ')}), but ${exceeded.owner} ${gibibytes(exceeded.bytes)}. ` +
      'Lower size.hidden, size.layers, size.experts or size.vocabulary if parameters are the most, data.batchSize or data.sequenceLength if ' +
      `activations are, ${training.moments === 'bfloat16' ? '' : 'set training.moments=bfloat16 for half the optimizer, '}` +
      `or use a GPU (--device gpu). The whole run: ${predictionText(prediction)}`,
  );
}

/**
 * Throws when runs that train at once cannot fit into the memory of this machine.
 *
 * @throws UsageError that names what they take together
 */
export function checkFitTogether(runs: readonly Settings[], parallel: number): void {
  const needs = runs.filter(({ device }) => device === 'wasm').map((settings) => predictRun(settings).memory.total);
  const largest = needs.toSorted((a, b) => b - a).slice(0, parallel);
  const total = largest.reduce((sum, bytes) => sum + bytes, 0);
  if (total <= totalmem()) return;
  throw new UsageError(
    `--parallel ${parallel}: ${largest.length} runs at once would take up to ${gibibytes(total)}, but this machine has ` +
      `${gibibytes(totalmem())}; lower it`,
  );
}

/** "12 runs: 655k tokens, 8.1 TFLOP, roughly 3m05s on this CPU": all of them, one after the other. */
export function totalText(runs: readonly Settings[]): string {
  const all = runs.map(predictRun);
  const sum = (of: (prediction: Prediction) => number): number =>
    all.reduce((total, prediction) => total + of(prediction), 0);
  const isTimed = all.every(({ seconds }) => seconds !== null);
  return [
    `${runs.length} runs: ${formatShort(sum(({ tokens }) => tokens))} tokens`,
    `${(sum(({ flops }) => flops) / 1e12).toPrecision(3)} TFLOP`,
    ...(isTimed ? [`roughly ${formatSeconds(sum(({ seconds }) => seconds!))} on this CPU`] : []),
  ].join(', ');
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}
