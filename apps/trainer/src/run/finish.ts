/** One run from its folder to its final evaluation: train what is left, then evaluate, once. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { resetDecoder } from '@lpr/model';
import { importHuggingFace } from '@lpr/model/node';
import {
  type EvaluationLine,
  finalEvaluation,
  type HeldSettings,
  holdIdentity,
  listCheckpoints,
  readEvaluations,
  RUN_FILES,
  type RunFolder,
} from '@lpr/runs';
import { evaluate, loadNewestWeights, trainRun } from '@lpr/train';
import { earlierEnds } from '../settings/calibration.ts';
import { withTodaysPaths } from '../settings/earlier.ts';
import type { Settings } from '../settings/schema.ts';
import { writeTokenizer } from './model-source.ts';
import { findStart } from './start.ts';
import { announceRun, exchangeOf } from './team.ts';
import { makeDecoder, makeTrainer } from './model.ts';
import { calibrationOf, heldOutText, loadShape, type Session, vocabularyOf } from './session.ts';

/**
 * Settings that may change while a run is under way, by their path: they decide how and where it computes, what is kept
 * and where its text lies, and no number that it writes. Its text is known by its content.
 */
const FREE_SETTINGS = [
  'device',
  'threads',
  'training.checkpointEvery',
  'training.keepCheckpoints',
  'training.expertParallel',
  // It may have stopped the run, which goes on under another limit.
  'training.lossSpike',
  'data.tokenizer.path',
  'from',
  ...['data', 'evaluation'].flatMap((group) => [`${group}.sources.*.paths`, `${group}.sources.*.domain`]),
];

/** Settings as a run is held to them. @param origin the file that they were read from */
export function heldSettings(settings: Settings, origin: string): HeldSettings {
  return { settings, free: FREE_SETTINGS, renamed: withTodaysPaths, origin };
}

export interface FinishOptions {
  /** Of the run, in progress and messages. */
  readonly name: string;
  /** The file that the settings were read from; the run's own unless given. */
  readonly origin?: string;
  /** Whether a run that an earlier version finished is evaluated again, for the blocks that it has not kept. */
  readonly wantsBlocks?: boolean;
  readonly signal: AbortSignal;
}

/**
 * Trains a run to its end and evaluates it; a finished run is left as it is.
 *
 * @param run the run's folder, locked
 * @returns the evaluation of the finished model; null when the signal stopped it (a checkpoint was saved)
 * @throws Error when its text or a setting that decides results is another one than it began with
 */
export async function finishRun(
  session: Session,
  run: RunFolder,
  settings: Settings,
  { name, origin = join(run.path, RUN_FILES.config), wantsBlocks = false, signal }: FinishOptions,
): Promise<EvaluationLine | null> {
  const { device, progress, tokens } = session;
  // Once there is a checkpoint the weights are in it.
  const begins = (await listCheckpoints(run.checkpoints)).length === 0;
  const start = begins && settings.from !== undefined ? await findStart(settings.from) : null;
  await holdIdentity(run.path, heldSettings(settings, origin), tokens, start?.sha256);
  const known = finalEvaluation(await readEvaluations(run.path));
  if (known !== undefined) {
    if (wantsBlocks && !existsSync(join(run.path, RUN_FILES.blocks)))
      await addBlocks(session, run, settings, name, known);
    return known;
  }
  await writeTokenizer(run.path, tokens.tokenizer, settings.data.sequenceLength);
  const experts = exchangeOf(session.communicator, settings);
  const decoder = makeDecoder(device, settings, vocabularyOf(settings, tokens.tokenizer), experts);
  const trainer = makeTrainer(decoder, settings, tokens.training);
  const resetModel = async (): Promise<void> => {
    resetDecoder(decoder, settings.seed);
    if (start !== null) await importHuggingFace(decoder, start.folder);
  };
  try {
    const { training, evaluation } = settings;
    const { every, patience, traceTokens } = evaluation;
    const team = await announceRun(session, settings, run.path, experts);
    const result = await trainRun({
      run,
      trainer,
      team,
      from: start?.folder ?? null,
      loads: loadShape(decoder),
      steps: training.steps,
      earlierEnds: earlierEnds(training),
      logEvery: training.logEvery,
      checkpointEvery: training.checkpointEvery,
      keepLast: training.keepCheckpoints,
      gradientNormsEvery: training.gradientNormsEvery,
      lossSpike: training.lossSpike,
      ...(training.calibration === null ? {} : { calibration: calibrationOf(session, settings, training.calibration) }),
      evaluation: { every, patience, traceTokens, ...heldOutText(session, settings, name) },
      resetModel,
      onEvaluation: (line) => progress.evaluated(name, line),
      onStep: (step) => progress.step(name, training.steps, step),
      onWarning: (message) => progress.note(`warning: ${message}; using the one before`),
      signal,
    });
    return result.evaluation;
  } finally {
    trainer.dispose();
    decoder.dispose();
  }
}

/** Writes the blocks of a finished run, from its last checkpoint; not where that comes to another loss. */
async function addBlocks(
  session: Session,
  run: RunFolder,
  settings: Settings,
  name: string,
  { step, loss }: EvaluationLine,
): Promise<void> {
  const { device, progress, tokens } = session;
  const decoder = makeDecoder(device, settings, vocabularyOf(settings, tokens.tokenizer));
  try {
    const loaded = await loadNewestWeights(run.checkpoints, decoder);
    if (loaded !== step) return;
    const { batches, onProgress } = heldOutText(session, settings, name);
    const evaluation = await evaluate(decoder, batches(), { onProgress });
    if (evaluation.loss === loss) await run.writeBlocks({ step, blocks: evaluation.blocks });
    else progress.note(`${name}: evaluated again its loss is ${evaluation.loss}, not ${loss}, so it has no interval`);
  } finally {
    decoder.dispose();
  }
}
