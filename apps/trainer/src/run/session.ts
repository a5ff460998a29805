/**
 * What training and evaluation need besides settings: token streams and a device, made once and shared by the runs of a
 * comparison.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import {
  type Batch,
  BatchStream,
  evaluationBatches,
  type PreparedTokens,
  type PrepareProgress,
  prepareTokens,
  type Tokenizer,
  type TokenStream,
} from '@lpr/data';
import type { LoadShape } from '@lpr/metrics';
import { createDecoder, type Decoder } from '@lpr/model';
import type { Router } from '@lpr/moe';
import { createDevice, type Device } from '@lpr/tensor';
import { type EvaluationOptions, makeSchedule, Trainer } from '@lpr/train';
import { UsageError } from '../cli/errors.ts';
import { decoderConfig } from '../settings/decoder-config.ts';
import type { Progress } from '../cli/progress.ts';
import type { Settings } from '../settings/schema.ts';

export interface Session {
  readonly device: Device;
  readonly tokens: PreparedTokens;
  readonly progress: Progress;
}

/**
 * Starts the device, then reads and tokenizes the corpus (or takes it from the cache).
 *
 * @throws UsageError when there is no such device, or a sequence is longer than one of the streams
 */
export async function openSession(settings: Settings, progress: Progress): Promise<Session> {
  // First, since reading may take hours.
  const device = await openDevice(settings);
  try {
    return { device, tokens: await loadTokens(settings, progress), progress };
  } catch (error) {
    await device.dispose();
    throw error;
  }
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
    const advice = device === 'wasm' ? 'Name fewer threads' : 'The device wasm runs on the CPU';
    throw new UsageError(
      `${settings}: ${error instanceof Error ? error.message : String(error)}. ${advice}; doctor says what there is`,
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
  const shared = {
    // Not the run's seed: runs with other seeds must be tested on the same text.
    seed: 0,
    cacheDirectory: cacheDirectory(process.env),
    onProgress: (report: PrepareProgress): void => progress.phase(...preparationTexts(report)),
  };
  const own = await prepareTokens({
    ...shared,
    sources: data.sources,
    heldOutFraction: data.heldOutFraction,
    tokenizer: given ?? (data.tokenizer === 'train' ? { vocabularySize: size.vocabulary } : data.tokenizer),
  });
  const { tokenizer } = own;
  const other =
    evaluation.sources.length === 0
      ? []
      : (await prepareTokens({ ...shared, sources: evaluation.sources, heldOutFraction: 0, tokenizer })).training;
  const tokens = { ...own, heldOut: [...own.heldOut, ...other] };
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

/** `$XDG_CACHE_HOME/lpr`, by default `~/.cache/lpr`. */
export function cacheDirectory(environment: NodeJS.ProcessEnv): string {
  return join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'lpr');
}

/** @param vocabulary rows of the embedding */
export function makeDecoder(device: Device, settings: Settings, vocabulary: number): Decoder {
  return createDecoder(device, decoderConfig(settings, vocabulary), { seed: settings.seed });
}

/** @param tokens the training text, one stream or several to mix */
export function makeTrainer(
  decoder: Decoder,
  settings: Settings,
  tokens: Int32Array | readonly TokenStream[],
): Trainer {
  const { data, training, seed } = settings;
  const { batchSize, sequenceLength } = data;
  const {
    schedule: kind,
    steps,
    accumulation,
    accumulatedTerms,
    learningRate,
    weightDecay,
    weightDecayGroups,
    clipNorm,
  } = training;
  return new Trainer({
    decoder,
    stream: new BatchStream({ tokens, batchSize, sequenceLength, seed }),
    accumulation,
    accumulatedTerms,
    seed,
    learningRate,
    schedule: makeSchedule({ ...training, kind }, steps),
    optimizer: { weightDecay, weightDecayGroups, clipNorm },
  });
}

/** Shape of a model's load records: its layers with experts. */
export function loadShape({ routers }: Decoder): LoadShape {
  const [{ experts, topK }] = routers as [Router];
  return { layers: routers.length, experts, topK };
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

/** Streams as an evaluation reads them: the batches, the same at every call, and how many tokens they are. */
export function evaluationText(
  streams: readonly TokenStream[],
  sequenceLength: number,
  { tokens, batchSize }: Pick<Settings['evaluation'], 'tokens' | 'batchSize'>,
): { readonly batches: () => Iterable<Batch>; readonly total: number } {
  // At least a sequence of each domain.
  const limit = Math.max(tokens, sequenceLength * streams.length);
  const available = streams.reduce((sum, part) => sum + Math.floor((part.tokens.length - 1) / sequenceLength), 0);
  return {
    batches: () => evaluationBatches(streams, batchSize, sequenceLength, limit),
    total: Math.min(available, Math.floor(limit / sequenceLength)) * sequenceLength,
  };
}
