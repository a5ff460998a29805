/** `pnpm trainer eval`: loss, balance and specialisation of a model on any text. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { prepareTokens, type TokenStream } from '@lpr/data';
import { checkText, RUN_FILES } from '@lpr/runs';
import { UsageError, unknownName } from '../cli/errors.ts';
import {
  evaluateInFull,
  type EvaluatedText,
  evaluationReport,
  type ModelEvaluation,
} from '../run/evaluation-report.ts';
import { findModel, loadModel, type ModelSource, tokenizerOf } from '../run/model-source.ts';
import { stabilityOf } from '../run/routing-report.ts';
import { createProgress, type Progress } from '../cli/progress.ts';
import { evaluationText, loadTokens, warnOfScarce } from '../run/session.ts';
import { readSettings } from '../settings/check.ts';
import { textSources } from '../settings/resolve.ts';
import { type DeviceOptions, withDevice } from './shared.ts';

const SPLITS: readonly EvaluatedText[] = ['held-out', 'training'];

export interface EvalOptions extends DeviceOptions {
  readonly split: string;
  /** Those to evaluate on; none: all. */
  readonly domain: readonly string[];
  /** In place of the run's own text. */
  readonly text: readonly string[];
  /** Folder of a run whose text to evaluate on, for a model that lies outside of it. */
  readonly run?: string;
  readonly tokens?: number;
  readonly batchSize: number;
  readonly tokenizer?: string;
  readonly json?: true;
}

export async function printEvaluation(path: string, options: EvalOptions): Promise<void> {
  const evaluation = await evaluateModel(path, options);
  console.log(options.json ? JSON.stringify(evaluation) : evaluationReport(evaluation));
}

/** All measures of a model on the text that the options name. */
export async function evaluateModel(path: string, options: EvalOptions): Promise<ModelEvaluation> {
  const source = await findModel(path, options.tokenizer);
  const progress = createProgress(process.stderr, process.env);
  try {
    const { streams, tokens, sequenceLength, text, run } = await textOf(path, source, options, progress);
    const { folder: model, step } = source;
    const isOwn = text === 'held-out' && options.run === undefined && options.domain.length === 0;
    const stability = isOwn && run !== null && step !== null ? await stabilityOf(run, step) : null;
    return await withDevice(options, async (device) => {
      const decoder = await loadModel(device, source);
      const { batchSize } = options;
      const { batches, total, scarce } = evaluationText(streams, sequenceLength, { tokens, batchSize });
      warnOfScarce(scarce, progress);
      const onProgress = (done: number): void => progress.evaluation(path, done, total);
      const evaluation = await evaluateInFull(decoder, batches(), {
        ...{ model, step, text, stability, onProgress },
        sequence: sequenceLength,
      });
      decoder.dispose();
      return evaluation;
    });
  } finally {
    progress.end();
  }
}

/** The tokens of a text. */
interface ReadText {
  readonly streams: readonly TokenStream[];
  /** At most. */
  readonly tokens: number;
  readonly sequenceLength: number;
  readonly text: EvaluatedText;
  /** The run that it belongs to; null for one that was given. */
  readonly run: string | null;
}

/** The text that options name: files, or that of the run which the model or the options belong to. */
export async function textOf(
  path: string,
  source: ModelSource,
  { split, domain, text, tokens, run: named }: Pick<EvalOptions, 'split' | 'domain' | 'text' | 'tokens' | 'run'>,
  progress: Progress,
): Promise<ReadText> {
  const part = SPLITS.find((known) => known === split);
  if (part === undefined) throw unknownName('split', split, SPLITS);
  if (text.length > 0) {
    const tokenizer = await tokenizerOf(source);
    const prepared = await prepareTokens({ sources: textSources(text), heldOutFraction: 0, seed: 0, tokenizer });
    return {
      streams: chosenDomains(prepared.training, domain),
      tokens: tokens ?? Number.POSITIVE_INFINITY,
      sequenceLength: source.config.max_position_embeddings,
      text: 'given',
      run: null,
    };
  }
  const places = named === undefined ? [path, dirname(dirname(source.folder))] : [named];
  const run = places.find((folder) => existsSync(join(folder, RUN_FILES.config)));
  if (run === undefined) {
    if (named !== undefined) throw new UsageError(`--run ${named}: holds no run (${RUN_FILES.config})`);
    throw new UsageError(
      `${path} belongs to no run, so name text to evaluate on: --text FILE, or --run FOLDER for its text`,
    );
  }
  const settings = await readSettings(run);
  // The model's own: one trained on the text anew would differ if the text has changed.
  const tokenizer = source.tokenizerFile === null ? undefined : await tokenizerOf(source);
  const prepared = await loadTokens(settings, progress, tokenizer);
  await checkText(run, prepared);
  return {
    streams: chosenDomains(part === 'training' ? prepared.training : prepared.heldOut, domain),
    tokens: tokens ?? settings.evaluation.tokens,
    sequenceLength: settings.data.sequenceLength,
    text: part,
    run,
  };
}

function chosenDomains(streams: readonly TokenStream[], names: readonly string[]): readonly TokenStream[] {
  if (names.length === 0) return streams;
  const known = streams.map(({ domain }) => domain);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw unknownName('domain', unknown, known);
  return streams.filter(({ domain }) => names.includes(domain));
}
