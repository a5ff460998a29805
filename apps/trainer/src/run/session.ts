/**
 * What training and evaluation need besides settings: token streams and a device, made once and shared by the runs of a
 * comparison.
 */
import { availableParallelism, cpus, homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import {
  type Batch,
  type EvaluationPlan,
  evaluationBatches,
  openCache,
  planEvaluation,
  type PreparedTokens,
  type PrepareProgress,
  prepareTokens,
  type Tokenizer,
  type TokenStream,
} from '@lpr/data';
import type { LoadShape } from '@lpr/metrics';
import type { Decoder } from '@lpr/model';
import type { Communicator } from '@lpr/mpi';
import { createDevice, type Device } from '@lpr/tensor';
import type { EvaluationOptions, RunOptions } from '@lpr/train';
import { UsageError } from '../cli/errors.ts';
import type { Progress } from '../cli/progress.ts';
import type { Settings } from '../settings/schema.ts';
import { fasterDevice } from './device-choice.ts';
import { checkTensors } from './fitting.ts';

export interface Session {
  readonly device: Device;
  readonly tokens: PreparedTokens;
  readonly progress: Progress;
  /** The ranks of which this process is one. */
  readonly communicator: Communicator;
}

/**
 * Starts the device, then reads and tokenizes the corpus (or takes it from the cache).
 *
 * @param tokenizer in place of the one that the settings name
 * @throws UsageError when there is no such device, or a sequence is longer than one of the streams
 */
export async function openSession(
  settings: Settings,
  progress: Progress,
  tokenizer: Tokenizer | undefined,
  communicator: Communicator,
): Promise<Session> {
  // First, since reading may take hours.
  const threads = settings.threads ?? threadsOfRank(communicator);
  const device = await trainingDevice({ ...settings, threads }, progress, communicator);
  try {
    checkTensors(settings, device);
    const tokens = await loadTokens(settings, progress, tokenizer);
    const { scarce } = evaluationText(tokens.heldOut, settings.data.sequenceLength, settings.evaluation);
    warnOfScarce(scarce, progress);
    return { device, tokens, progress, communicator };
  } catch (error) {
    await device.dispose();
    throw error;
  }
}

/** The device that settings name; for 'auto', where there is a GPU, the faster one of it and the CPU. */
async function trainingDevice(settings: Settings, progress: Progress, { size }: Communicator): Promise<Device> {
  const device = await openDevice(settings);
  if (settings.device !== 'auto' || device.kind !== 'gpu' || size > 1) return device;
  try {
    checkTensors(settings, device);
    progress.phase('timing steps on the GPU and on the CPU');
    const choice = await fasterDevice(settings, device, () => openDevice({ ...settings, device: 'wasm' }));
    progress.note(choice.text);
    return choice.device;
  } catch (error) {
    await device.dispose();
    throw error;
  }
}

/**
 * Worker threads of a rank where the settings do not say: its share of this machine's cores; null where it is alone.
 */
function threadsOfRank({ size, local }: Communicator): number | null {
  // A launcher may have bound it to some of them.
  return size === 1 ? null : Math.max(1, Math.min(availableParallelism(), Math.floor(cpus().length / local)));
}

/**
 * Starts a device by the name that settings give it.
 *
 * @throws UsageError that names the device, and the threads where they are given
 */
export async function openDevice({ device, threads }: Pick<Settings, 'device' | 'threads'>): Promise<Device> {
  try {
    return await createDevice(device === 'gpu-software' ? 'gpu' : device, {
      wasm: threads === null ? {} : { threads },
      gpu: { allowSoftware: device === 'gpu-software' },
    });
  } catch (error) {
    const settings = `device ${device}${threads === null ? '' : `, threads ${threads}`}`;
    throw new UsageError(
      `${settings}: ${error instanceof Error ? error.message : String(error)}; doctor says what there is`,
    );
  }
}

/** @param given in place of the tokenizer that the settings name */
export async function loadTokens(
  { data, size, evaluation }: Settings,
  progress: Progress,
  given?: Tokenizer,
): Promise<PreparedTokens> {
  progress.phase('reading the text');
  const tokens = await prepareTokens({
    // Not the run's seed: runs with other seeds must be tested on the same text.
    seed: data.heldOutSeed ?? 0,
    sources: data.sources,
    evaluationSources: evaluation.sources,
    heldOutFraction: data.heldOutFraction,
    tokenizer: given ?? (data.tokenizer === 'train' ? { vocabularySize: size.vocabulary } : data.tokenizer),
    ...(await usableCache((message) => progress.note(message))),
    onProgress: (report) => progress.phase(...preparationTexts(report)),
  });
  const { vocabularySize } = tokens.tokenizer;
  if (vocabularySize > size.vocabulary) {
    throw new UsageError(
      `size.vocabulary: got ${size.vocabulary}, but the tokenizer has ${vocabularySize} tokens; raise it to at least that`,
    );
  }
  for (const [part, streams] of [
    ['training', tokens.training],
    ['held-out', tokens.heldOut],
  ] as const) {
    for (const { domain, tokens: stream } of streams) {
      if (stream.length > data.sequenceLength) continue;
      throw new UsageError(
        `data.sequenceLength is ${data.sequenceLength}, but the ${part} part of ${domain} has only ${stream.length} tokens; ` +
          'shorten the sequence or give more text',
      );
    }
  }
  return tokens;
}

/** Such as "encoding arxiv" and "1.2M tokens", "training the tokenizer" and "merging 52%". */
function preparationTexts(report: PrepareProgress): [phase: string, detail: string] {
  const { phase, completed, total } = report;
  const share = total === null ? '' : ` ${Math.floor((100 * completed) / total)}%`;
  if (phase !== 'encoding') return ['training the tokenizer', `${phase}${share}`];
  return [`encoding ${report.domain}`, `${(completed / 1e6).toFixed(1)}M tokens${share}`];
}

/**
 * Rows of the embedding: as many as the tokenizer that was trained has; where one was given, as many as the settings
 * say.
 */
export function vocabularyOf({ data, size }: Settings, tokenizer: Tokenizer): number {
  return data.tokenizer === 'train' ? tokenizer.vocabularySize : size.vocabulary;
}

/**
 * `$XDG_CACHE_HOME/lpr`, by default `~/.cache/lpr`; null for a user without a home. A path that is relative is none, as
 * the XDG Base Directory Specification has it.
 */
export function cacheDirectory(environment: NodeJS.ProcessEnv): string | null {
  const cache = environment['XDG_CACHE_HOME'] ?? '';
  if (isAbsolute(cache)) return join(cache, 'lpr');
  try {
    // It is what the environment has as HOME, which may be empty.
    const home = homedir();
    return isAbsolute(home) ? join(home, '.cache', 'lpr') : null;
  } catch {
    return null;
  }
}

/** The cache as the options of `@lpr/data` have it; none, and a warning, where nothing can be written. */
export async function usableCache(warn: (message: string) => void): Promise<{ readonly cacheDirectory?: string }> {
  const directory = cacheDirectory(process.env);
  const fault = directory === null ? 'there is no home folder' : await openCache(directory);
  if (directory !== null && fault === null) return { cacheDirectory: directory };
  warn(
    `warning: no cache (${String(fault)}), so all text is read and encoded anew at every start. ` +
      'Set XDG_CACHE_HOME to a folder that can be written',
  );
  return {};
}

/** Shape of a model's load records: its layers with experts; null where there are none. */
export function loadShape({ routers }: Decoder): LoadShape | null {
  const [first] = routers;
  return first === undefined ? null : { layers: routers.length, experts: first.experts, topK: first.topK };
}

/** The held-out text as a run evaluates it, with progress under the run's name. */
export function heldOutText(
  { tokens, progress }: Session,
  { data, evaluation }: Settings,
  name: string,
): Required<Pick<EvaluationOptions, 'batches' | 'onProgress'>> {
  const { batches, total } = evaluationText(tokens.heldOut, data.sequenceLength, evaluation);
  return { batches, onProgress: (done) => progress.evaluation(name, done, total) };
}

/** The training text as a run is calibrated on it, with progress. */
export function calibrationOf(
  { tokens, progress }: Session,
  { data, evaluation }: Settings,
  { tokens: limit, rounds }: NonNullable<Settings['training']['calibration']>,
): NonNullable<RunOptions['calibration']> {
  const { batches, total } = calibrationText(tokens.training, data.sequenceLength, {
    tokens: limit,
    batchSize: evaluation.batchSize,
  });
  return {
    batches,
    rounds,
    onProgress: (done) => progress.phase('calibrating', `${Math.floor((100 * done) / (rounds * total))}%`),
  };
}

/** Batches of a text at least, where it has as many sequences: a bias moves after each, by a fifth of the way. */
const CALIBRATION_BATCHES = 64;

/**
 * Streams as a calibration reads them: as an evaluation does, but in smaller batches where these would be few.
 *
 * @param batchSize sequences at once, at most
 */
export function calibrationText(
  streams: readonly TokenStream[],
  sequenceLength: number,
  { tokens, batchSize }: Pick<Settings['evaluation'], 'tokens' | 'batchSize'>,
): ReturnType<typeof evaluationText> {
  const { total } = evaluationText(streams, sequenceLength, { tokens, batchSize });
  const most = Math.floor(total / sequenceLength / CALIBRATION_BATCHES);
  return evaluationText(streams, sequenceLength, { tokens, batchSize: Math.min(batchSize, Math.max(1, most)) });
}

/** Says which domain has too little text for its share, so that less is evaluated than could be. */
export function warnOfScarce(scarce: EvaluationPlan['scarce'], progress: Progress): void {
  if (scarce === null) return;
  const { domain, available, tokens, wanted } = scarce;
  progress.note(
    `warning: ${domain} has ${available} tokens to evaluate on, too few for its share of ${wanted}, so only ${tokens} are evaluated, ` +
      'in the proportions of the mix. Raise data.heldOutFraction, or give more text of it or less weight to it',
  );
}

/** Streams as an evaluation reads them: the batches, the same at every call, and how many tokens they are. */
export function evaluationText(
  streams: readonly TokenStream[],
  sequenceLength: number,
  { tokens, batchSize }: Pick<Settings['evaluation'], 'tokens' | 'batchSize'>,
): { readonly batches: () => Iterable<Batch>; readonly total: number } & Pick<EvaluationPlan, 'scarce'> {
  // At least a sequence of each stream.
  const limit = Math.max(tokens, sequenceLength * streams.length);
  const plan = planEvaluation(streams, sequenceLength, limit);
  return {
    batches: () => evaluationBatches(streams, batchSize, sequenceLength, limit),
    total: plan.tokens,
    scarce: plan.scarce,
  };
}
