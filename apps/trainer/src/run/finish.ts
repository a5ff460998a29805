/** One run from its folder to its figures: train what is left, then evaluate, once. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { resetDecoder } from '@lpr/model';
import { hasCode, type RunFolder, trainRun, writeWhole } from '@lpr/train';
import { z } from 'zod';
import { UsageError } from '../cli/errors.ts';
import { writeTokenizer } from './model-source.ts';
import { keepData } from './data.ts';
import { heldOutText, loadShape, makeDecoder, makeTrainer, type Session, vocabularyOf } from './session.ts';
import type { Settings } from '../settings/schema.ts';

/** Means over layers; null where there was no load. */
export interface BalanceFigures {
  readonly gini: number | null;
  readonly minMax: number | null;
}

/** `evaluation.json` of a run. */
export interface RunResultFile {
  readonly router: string;
  readonly architecture: string;
  readonly seed: number;
  readonly steps: number;
  /** Trained on. */
  readonly tokens: number;
  readonly device: string;
  readonly threads: number;
  /** In training, by the process that finished it; null when nothing was left to train. */
  readonly tokensPerSecond: number | null;
  /**
   * Shares of the training time by part of the model, and idle (waiting for work); empty on devices that do not time
   * what they run.
   */
  readonly stepTimeShares: Readonly<Record<string, number>>;
  readonly evaluation: BalanceFigures & {
    readonly tokens: number;
    readonly testLoss: number;
    /** The least balanced layer. */
    readonly worst: BalanceFigures;
    /** I(expert; token id) in nats, mean over layers, beside what samples without any relation would show. */
    readonly mutualInformation: number | null;
    readonly mutualInformationBias: number | null;
    /** Exact loads `[layers][experts]`. */
    readonly counts: readonly (readonly number[])[];
  };
}

const balance = { gini: z.number().nullable(), minMax: z.number().nullable() };
const resultSchema: z.ZodType<RunResultFile> = z.strictObject({
  router: z.string(),
  architecture: z.string(),
  seed: z.number(),
  steps: z.number(),
  tokens: z.number(),
  device: z.string(),
  threads: z.number(),
  tokensPerSecond: z.number().nullable(),
  stepTimeShares: z.record(z.string(), z.number()),
  evaluation: z.strictObject({
    ...balance,
    tokens: z.number(),
    testLoss: z.number(),
    worst: z.strictObject(balance),
    mutualInformation: z.number().nullable(),
    mutualInformationBias: z.number().nullable(),
    counts: z.array(z.array(z.number())),
  }),
});

const RESULT_FILE = 'evaluation.json';

/** The figures of a run that is finished; null when it is not. */
async function readResult(folder: string): Promise<RunResultFile | null> {
  const path = join(folder, RESULT_FILE);
  try {
    return resultSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw new UsageError(`${path} cannot be read (${String(error)}); delete it and resume to make it again`);
  }
}

/**
 * Trains a run to its end and evaluates it; a finished run is left as it is.
 *
 * @param run the run's folder, locked
 * @returns null when the signal stopped it (a checkpoint was saved)
 * @throws UsageError when its text is another one than before, or it was finished after other steps than the settings
 *   say
 */
export async function finishRun(
  session: Session,
  run: RunFolder,
  settings: Settings,
  name: string,
  signal: AbortSignal,
): Promise<RunResultFile | null> {
  const known = await readResult(run.path);
  if (known !== null) {
    const { steps } = settings.training;
    // One that ran out of patience has fewer.
    if (known.steps === steps || settings.evaluation.patience !== null) return known;
    throw new UsageError(
      `${run.path}: training.steps is ${steps}, but the run is finished after ${known.steps}, with a schedule made for those; ` +
        `start a new run, or put ${known.steps} back into its config.yaml`,
    );
  }
  const { device, progress, tokens } = session;
  await keepData(run.path, tokens);
  await writeTokenizer(run.path, tokens.tokenizer, settings.data.sequenceLength);
  const decoder = makeDecoder(device, settings, vocabularyOf(settings, tokens.tokenizer));
  const trainer = makeTrainer(decoder, settings, tokens.training);
  try {
    const { training, evaluation } = settings;
    const { every, patience, traceTokens } = evaluation;
    const result = await trainRun({
      run,
      trainer,
      loads: loadShape(decoder),
      steps: training.steps,
      logEvery: training.logEvery,
      checkpointEvery: training.checkpointEvery,
      keepLast: training.keepCheckpoints,
      gradientNormsEvery: training.gradientNormsEvery,
      lossSpike: training.lossSpike,
      evaluation: { every, patience, traceTokens, ...heldOutText(session, settings, name) },
      resetModel: () => resetDecoder(decoder, settings.seed),
      onEvaluation: ({ line }) => progress.evaluated(name, line),
      onStep: (step) => progress.step(name, training.steps, step),
      onWarning: (message) => progress.note(`warning: ${message}; using the one before`),
      signal,
    });
    if (result.evaluation === null) return null;

    const { line, counts } = result.evaluation;
    const file: RunResultFile = {
      router: settings.router,
      architecture: settings.architecture,
      seed: settings.seed,
      steps: result.step,
      tokens: result.tokens,
      device: device.description,
      threads: device.threads,
      tokensPerSecond: result.tokensPerSecond === null ? null : Math.round(result.tokensPerSecond),
      stepTimeShares: timeShares(result.phases ?? {}),
      evaluation: {
        tokens: line.evaluatedTokens,
        testLoss: line.loss,
        gini: line.gini,
        minMax: line.minMax,
        worst: { gini: line.worst.gini, minMax: line.worst.minMax },
        mutualInformation: line.mutualInformation,
        mutualInformationBias: line.mutualInformationBias,
        counts: counts.map((layer) => Array.from(layer)),
      },
    };
    await writeWhole(join(run.path, RESULT_FILE), `${JSON.stringify(file)}\n`);
    return file;
  } finally {
    trainer.dispose();
    decoder.dispose();
  }
}

/** What each part of the model took of the time, and idle: waiting for work. */
function timeShares(phases: Readonly<Record<string, number>>): Record<string, number> {
  const parts = Object.entries(phases);
  const total = parts.reduce((sum, [, time]) => sum + time, 0);
  return Object.fromEntries(parts.map(([part, time]) => [part, round(time / total)]));
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
