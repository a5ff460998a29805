/** Trains a run to its end: restores the newest checkpoint, logs every step, saves, and stops cleanly when asked to. */
import { type LayersReport, layersReport, LoadRecorder, type LoadShape } from '@lpr/metrics';
import { decodeSafetensors, type Decoder, encodeSafetensors, exportWeights, importWeights } from '@lpr/model';
import { newestCheckpoint, saveCheckpoint } from './checkpoint.ts';
import type { MetricsLine, RunFolder } from './run-folder.ts';
import type { LossTermValue, StepReport, Trainer } from './trainer.ts';

export interface RunOptions {
  readonly run: RunFolder;
  readonly trainer: Trainer;
  /** Shape of the load records. */
  readonly loads: LoadShape;
  /** Steps of the whole run. */
  readonly steps: number;
  /** Steps in a logging window. */
  readonly logEvery: number;
  readonly checkpointEvery: number;
  /** Checkpoints that are kept. */
  readonly keepLast: number;
  readonly onStep?: (progress: StepProgress) => void;
  /** Told about damaged checkpoints that were passed over. */
  readonly onWarning?: (message: string) => void;
  /** When it fires, the step under way is finished, a checkpoint saved, and training stops. */
  readonly signal?: AbortSignal;
}

export interface StepProgress {
  readonly report: StepReport;
  /** Tokens trained on so far. */
  readonly tokens: number;
  /** Balance of the last logging window that closed in this process; null before. */
  readonly balance: LayersReport | null;
  /** Over the last closed window, or what there is of the first. */
  readonly tokensPerSecond: number;
}

export interface RunResult {
  /** Steps done. */
  readonly step: number;
  readonly tokens: number;
  /** false: stopped by the signal. */
  readonly finished: boolean;
  /** Mean over all windows that closed in this process; null when none did. */
  readonly tokensPerSecond: number | null;
}

const MODEL_FILE = 'model.safetensors';
const OPTIMIZER_FILE = 'optimizer.safetensors';

/**
 * Trains until `steps` steps are done. Whatever was done before, by a process that ended in whatever way, is taken up from the newest whole
 * checkpoint, and the logs are cut back to it: the run ends with the same bits as one that was never stopped.
 *
 * @throws DivergedError when the loss is no longer finite (the checkpoints before stay); CheckpointError when all checkpoints are damaged
 */
export async function trainRun(options: RunOptions): Promise<RunResult> {
  const { run, trainer, steps, logEvery, checkpointEvery, keepLast, signal } = options;
  const recorder = new LoadRecorder(options.loads);
  let { tokens, windowTokens } = await restore(options, recorder);
  const logs = await run.openLogs(trainer.step, options.loads);
  const clock = new Clock();
  let balance: LayersReport | null = null;

  const log = async (report: StepReport): Promise<void> => {
    tokens += report.tokens;
    windowTokens += report.tokens;
    report.counts.forEach((counts, layer) => recorder.add(layer, counts));
    clock.add(report.tokens);
    const closes = report.step % logEvery === 0 || report.step === steps;
    if (closes) {
      const counts = recorder.window();
      balance = layersReport(counts);
      await logs.appendLoads({ step: report.step, tokens: windowTokens, counts });
      recorder.reset();
      windowTokens = 0;
      clock.closeWindow();
    }
    await logs.appendMetrics(metricsLine(report, tokens, closes ? balance : null, clock.tokensPerSecond));
    options.onStep?.({ report, tokens, balance, tokensPerSecond: clock.tokensPerSecond });
  };
  const save = async (): Promise<void> => {
    // What the checkpoint relies on must be on disk before it.
    await logs.sync();
    const window = { tokens: windowTokens, counts: recorder.window().map((counts) => Array.from(counts)) };
    const state = { format: 'lpr-checkpoint/1', step: trainer.step, tokens, window } as const;
    await saveCheckpoint(run.checkpoints, state, await exportFiles(trainer), keepLast);
  };

  const isAborted = (): boolean => signal?.aborted ?? false;
  try {
    let pending: Promise<StepReport> | null = null;
    while (trainer.step < steps && !isAborted()) {
      const next = trainer.recordStep();
      // Its failure is reported when it is awaited.
      next.catch(() => {});
      // While the device runs this step, the one before is logged.
      if (pending !== null) await log(await pending);
      pending = next;
      if (trainer.step % checkpointEvery === 0 || trainer.step === steps || isAborted()) {
        await log(await pending);
        pending = null;
        await save();
      }
    }
  } finally {
    await logs.close();
  }
  return { step: trainer.step, tokens, finished: trainer.step >= steps, tokensPerSecond: clock.overall };
}

/** Loads the newest whole checkpoint of a run into a model. Gives its step; null when there is none. */
export async function loadNewestWeights(
  checkpoints: string,
  decoder: Decoder,
  onWarning: (message: string) => void = () => {},
): Promise<number | null> {
  const checkpoint = await newestCheckpoint(checkpoints, ({ message }) => onWarning(message));
  if (checkpoint === null) return null;
  importWeights(decoder, decodeSafetensors(fileOf(checkpoint.files, MODEL_FILE)));
  return checkpoint.state.step;
}

async function restore(
  { run, trainer, onWarning }: RunOptions,
  recorder: LoadRecorder,
): Promise<{ tokens: number; windowTokens: number }> {
  const checkpoint = await newestCheckpoint(run.checkpoints, ({ message }) => onWarning?.(message));
  if (checkpoint === null) return { tokens: 0, windowTokens: 0 };
  const { state, files } = checkpoint;
  importWeights(trainer.decoder, decodeSafetensors(fileOf(files, MODEL_FILE)));
  trainer.optimizer.importState(decodeSafetensors(fileOf(files, OPTIMIZER_FILE)), state.step);
  state.window.counts.forEach((counts, layer) => recorder.add(layer, counts));
  return { tokens: state.tokens, windowTokens: state.window.tokens };
}

async function exportFiles(trainer: Trainer): Promise<Map<string, Uint8Array>> {
  return new Map([
    [MODEL_FILE, encodeSafetensors(await exportWeights(trainer.decoder))],
    [OPTIMIZER_FILE, encodeSafetensors(await trainer.optimizer.exportState())],
  ]);
}

function metricsLine(
  report: StepReport,
  tokens: number,
  balance: LayersReport | null,
  tokensPerSecond: number,
): MetricsLine {
  const { step, loss, totalLoss, learningRate, gradientNorm } = report;
  const line = { step, tokens, loss, totalLoss, learningRate, gradientNorm, terms: termsByName(report.terms) };
  if (balance === null) return line;
  const figures = ({ gini, minMax }: { gini: number; minMax: number }) => ({ gini, minMax });
  return {
    ...line,
    ...figures(balance.mean),
    worst: figures(balance.worst),
    tokensPerSecond: Math.round(tokensPerSecond),
  };
}

function termsByName(terms: readonly LossTermValue[]): MetricsLine['terms'] {
  const byName: Record<string, { raw: number[]; weighted: number[] }> = {};
  for (const { name, raw, weighted } of terms) {
    const entry = (byName[name] ??= { raw: [], weighted: [] });
    entry.raw.push(raw);
    entry.weighted.push(weighted);
  }
  return byName;
}

/** Tokens per second: of the window under way or the one before, and of all closed windows. */
class Clock {
  #windowStart = performance.now();
  #windowTokens = 0;
  #last: number | null = null;
  #tokens = 0;
  #milliseconds = 0;

  add(tokens: number): void {
    this.#windowTokens += tokens;
  }

  get tokensPerSecond(): number {
    return this.#last ?? this.#current();
  }

  get overall(): number | null {
    return this.#tokens === 0 ? null : (1000 * this.#tokens) / this.#milliseconds;
  }

  closeWindow(): void {
    this.#last = this.#current();
    this.#tokens += this.#windowTokens;
    this.#milliseconds += performance.now() - this.#windowStart;
    this.#windowStart = performance.now();
    this.#windowTokens = 0;
  }

  #current(): number {
    return (1000 * this.#windowTokens) / (performance.now() - this.#windowStart);
  }
}

function fileOf(files: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array {
  const content = files.get(name);
  if (content === undefined) throw new Error(`the checkpoint has no ${name} (it has ${[...files.keys()].join(', ')})`);
  return content;
}
