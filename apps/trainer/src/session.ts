/** What training and evaluation need besides settings: token streams and a device, made once and shared by the runs of a comparison. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import {
  BatchStream,
  evaluationBatches,
  loadStateOfTheUnion,
  loadTextFiles,
  type PreparedTokens,
  prepareTokens,
} from '@lpr/data';
import { type LoadShape, mutualInformation, mutualInformationBias } from '@lpr/metrics';
import { createDecoder, type Decoder } from '@lpr/model';
import { createDevice, type Device } from '@lpr/tensor';
import { type Evaluation, evaluate, makeSchedule, Trainer } from '@lpr/train';
import { UsageError } from './errors.ts';
import { decoderConfig } from './models.ts';
import type { Progress } from './progress.ts';
import type { Settings } from './settings/schema.ts';

export interface Session {
  readonly device: Device;
  readonly tokens: PreparedTokens;
  readonly progress: Progress;
}

/**
 * Reads and tokenizes the corpus (or takes it from the cache) and starts the device.
 *
 * @throws UsageError when a sequence is longer than one of the streams
 */
export async function openSession(settings: Settings, progress: Progress): Promise<Session> {
  const tokens = await loadTokens(settings, progress);
  const { device: name, threads } = settings;
  const device = await createDevice(name === 'gpu-software' ? 'gpu' : name, {
    wasm: threads === null ? {} : { threads },
    gpu: { allowSoftware: name === 'gpu-software' },
  });
  return { device, tokens, progress };
}

export async function loadTokens({ data, size }: Settings, progress: Progress): Promise<PreparedTokens> {
  progress.phase('reading the corpus');
  const documents = data.corpus === 'state-of-the-union' ? loadStateOfTheUnion() : loadTextFiles(data.corpus);
  const tokens = await prepareTokens({
    documents,
    heldOutFraction: data.heldOutFraction,
    // Not the run's seed: runs with other seeds must be tested on the same text.
    seed: 0,
    tokenizer: { vocabularySize: size.vocabulary },
    cacheDirectory: cacheDirectory(process.env),
  });
  for (const [name, stream] of [
    ['training', tokens.training],
    ['held-out', tokens.heldOut],
  ] as const) {
    if (stream.length <= data.sequenceLength) {
      throw new UsageError(
        `data.sequenceLength is ${data.sequenceLength}, but the ${name} part of the corpus has only ${stream.length} tokens; shorten the sequence or give more text`,
      );
    }
  }
  return tokens;
}

/** `$XDG_CACHE_HOME/lpr`, by default `~/.cache/lpr`. */
export function cacheDirectory(environment: NodeJS.ProcessEnv): string {
  return join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'lpr');
}

export function makeDecoder({ device, tokens }: Session, settings: Settings): Decoder {
  return createDecoder(device, decoderConfig(settings, tokens.tokenizer.vocabularySize), { seed: settings.seed });
}

export function makeTrainer(session: Session, decoder: Decoder, settings: Settings): Trainer {
  const { data, training, seed } = settings;
  const { batchSize, sequenceLength } = data;
  const { warmup, stable, minRatio } = training;
  return new Trainer({
    decoder,
    stream: new BatchStream({ tokens: session.tokens.training, batchSize, sequenceLength, seed }),
    seed,
    learningRate: training.learningRate,
    schedule: makeSchedule({ kind: 'warmupStableDecay', decay: 'cosine', warmup, stable, minRatio }, training.steps),
    optimizer: { weightDecay: training.weightDecay, clipNorm: training.clipNorm },
  });
}

/** Shape of a model's load records: every layer of the presets has experts. */
export function loadShape({ size }: Settings): LoadShape {
  return { layers: size.layers, experts: size.experts, topK: size.topK };
}

/** A model on the held-out text: loss, loads, and how much the choice of an expert says about the token. */
export interface HeldOutFigures extends Evaluation {
  /** I(expert; token id) in nats, mean over layers, beside what an estimate from so few samples shows without any relation. */
  readonly mutualInformation: number;
  readonly mutualInformationBias: number;
}

export async function evaluateHeldOut(
  { tokens, progress }: Session,
  decoder: Decoder,
  { data, evaluation }: Settings,
  name: string,
): Promise<HeldOutFigures> {
  const limit = Math.max(evaluation.tokens, data.sequenceLength);
  const total = Math.min(limit, tokens.heldOut.length - 1);
  const whole = Math.floor(total / data.sequenceLength) * data.sequenceLength;
  const batches = evaluationBatches(tokens.heldOut, evaluation.batchSize, data.sequenceLength, limit);
  const result = await evaluate(decoder, batches, {
    tokenCounts: true,
    onProgress: (done) => progress.evaluation(name, done, whole),
  });
  const mean = (figures: readonly number[]): number => figures.reduce((a, b) => a + b, 0) / figures.length;
  return {
    ...result,
    mutualInformation: mean(result.tokenCounts.map(mutualInformation)),
    mutualInformationBias: mean(result.tokenCounts.map(mutualInformationBias)),
  };
}
