/**
 * Trains a run to its end: restores the newest checkpoint, logs every step, evaluates, saves, and stops cleanly when
 * asked to.
 */
import type { Batch } from '@lpr/data';
import type { LayersReport, LoadShape } from '@lpr/metrics';
import {
  describeEnvironment,
  type EvaluationLine,
  newestCheckpoint,
  removeEarlier,
  type PartNorms,
  readEvaluations,
  readMetrics,
  resumableCheckpoint,
  type RunFolder,
  type RunLogs,
} from '@lpr/runs';
import { importHuggingFace } from '@lpr/model/node';
import { calibrate, type CalibrateOptions } from './calibrate.ts';
import { locateDivergence } from './divergence.ts';
import { type EvaluationOptions, evaluateRun, isOutOfPatience } from './run-evaluation.ts';
import { CheckpointWriter, restoreTrainer, snapshot } from './snapshot.ts';
import type { Team } from './parallel/accumulate.ts';
import { Leader, measureNextNorms } from './parallel/team.ts';
import { metricsLine } from './step-line.ts';
import { checkSpike, LossSpikeError, type LossSpikeOptions } from './spikes.ts';
import { DivergedError, type StepReport, type Trainer } from './trainer.ts';
import { packageVersions, programCommit } from './versions.ts';
import { LoggingWindow, type OpenWindow } from './window.ts';

export interface RunOptions {
  readonly run: RunFolder;
  readonly trainer: Trainer;
  /** The ranks that share the steps out, of which this is rank 0 and the others follow; null, the default: alone. */
  readonly team?: Team | null;
  /** The folder whose weights the run starts from; null, the default: those that the model has. */
  readonly from?: string | null;
  /** Shape of the load records; null for a model without experts. */
  readonly loads: LoadShape | null;
  /** Steps of the whole run. */
  readonly steps: number;
  /**
   * Steps at which the run had ended before it was lengthened: there, too, a window closes, and the model is
   * calibrated, saved and evaluated, so that the run is the same from wherever it goes on. None unless given.
   */
  readonly earlierEnds?: readonly number[];
  /** Steps in a logging window. */
  readonly logEvery: number;
  readonly checkpointEvery: number;
  /** Checkpoints that are kept. */
  readonly keepLast: number;
  /** Held-out text; without it nothing is evaluated. */
  readonly evaluation?: EvaluationOptions;
  /**
   * Logging windows from one measurement of each term's gradients to the next; null, the default: never. Each takes a
   * forward and a backward pass a term.
   */
  readonly gradientNormsEvery?: number | null;
  /** When a loss counts as a spike, which stops the run as one that is not finite does; null, the default: never. */
  readonly lossSpike?: LossSpikeOptions | null;
  /**
   * After the last step, before the last checkpoint; without it selection biases stay as training left them, as they do
   * when a run stops because evaluations no longer get better.
   */
  readonly calibration?: Omit<CalibrateOptions, 'signal'> & {
    /** The text, anew each time. */
    readonly batches: () => Iterable<Batch>;
  };
  /** Puts the model back to how it began: needed to say where a divergence before the first checkpoint started. */
  readonly resetModel?: () => Promise<void> | void;
  /** Told of each step that the device has run. */
  readonly onStep?: (progress: StepProgress) => void;
  /** Told of each evaluation. */
  readonly onEvaluation?: (evaluation: EvaluationLine) => void;
  /** Told about checkpoints that were passed over. */
  readonly onWarning?: (message: string) => void;
  /**
   * When it fires, the step under way is finished, a checkpoint saved, and training stops; an evaluation under way is
   * given up, to be made when the run goes on, and so is a calibration: the run then goes on from the checkpoint
   * before.
   */
  readonly signal?: AbortSignal;
}

export interface StepProgress {
  readonly report: StepReport;
  /** Tokens trained on so far. */
  readonly tokens: number;
  /** Logging windows that closed in this process. */
  readonly windows: number;
  /** Balance of the last of them; null before, and for a model without experts. */
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
  /** Whether it finished because evaluations no longer got better. */
  readonly outOfPatience: boolean;
  /** Of the finished model; null when it was stopped or there is no held-out text. */
  readonly evaluation: EvaluationLine | null;
}

/**
 * Trains until `steps` steps are done. Whatever was done before, by a process that ended in whatever way, is taken up
 * from the newest whole checkpoint, and the logs are cut back to it: the run ends with the same bits as one that was
 * never stopped.
 *
 * Checkpoints are written while training goes on.
 *
 * @throws DivergedError when the loss is no longer finite or spikes (the checkpoints before stay); CheckpointError when
 *   no checkpoint can be used, or one cannot be written
 */
export async function trainRun(options: RunOptions): Promise<RunResult> {
  const { run, trainer, team = null } = options;
  const leader = team === null ? null : new Leader(team);
  const { description, threads } = trainer.decoder.device;
  const device = { description: leader === null ? description : `${description}; ${leader.description}`, threads };
  try {
    await run.recordEnvironment(describeEnvironment(device, packageVersions(), await programCommit()));
    const { tokens, window } = await restore(options, leader);
    const logs = await run.openLogs(trainer.step, options.loads);
    try {
      return await new Training(options, leader, logs, tokens, window).run();
    } finally {
      await logs.close();
    }
  } finally {
    await leader?.end();
  }
}

/**
 * Puts the trainer back to the newest checkpoint that the logs reach up to, or to what the run starts from. Gives the
 * tokens trained on, and the part of a window that was not logged yet.
 */
async function restore(
  { run, trainer, from = null, keepLast, onWarning }: RunOptions,
  leader: Leader | null,
): Promise<{ readonly tokens: number; readonly window: OpenWindow }> {
  const checkpoint = await resumableCheckpoint(run.path, ({ message }) => onWarning?.(message));
  if (checkpoint !== null) {
    // The process that wrote it may have been killed before it did so, and this may be the last one.
    await removeEarlier(run.checkpoints, checkpoint.state.step, keepLast);
    await (leader === null ? restoreTrainer(trainer, checkpoint) : leader.restore(trainer, checkpoint));
    return checkpoint.state;
  }
  const { decoder } = trainer;
  if (from !== null) await (leader === null ? importHuggingFace(decoder, from) : leader.importWeights(decoder, from));
  return { tokens: 0, window: { tokens: 0, counts: [] } };
}

/** One process's part of a run. */
class Training {
  readonly #options: RunOptions;
  readonly #leader: Leader | null;
  readonly #logs: RunLogs;
  readonly #window: LoggingWindow;
  readonly #writer: CheckpointWriter;
  #tokens: number;
  #windows = 0;
  #balance: LayersReport | null = null;
  /** Step of the newest checkpoint. */
  #saved: number;
  /** Of all steps so far, where spikes are looked for. */
  #losses: number[] = [];
  /** Held-out losses of the evaluations at intervals. */
  #evaluations: number[] = [];

  constructor(options: RunOptions, leader: Leader | null, logs: RunLogs, tokens: number, window: OpenWindow) {
    this.#options = options;
    this.#leader = leader;
    this.#logs = logs;
    this.#tokens = tokens;
    this.#saved = options.trainer.step;
    this.#window = new LoggingWindow(options.trainer.decoder.device, options.loads, window);
    this.#writer = new CheckpointWriter(options.run.checkpoints, options.keepLast);
  }

  async run(): Promise<RunResult> {
    const { run, trainer, steps, evaluation } = this.#options;
    if (this.#options.lossSpike) this.#losses = (await readMetrics(run.path)).map(({ loss }) => loss);
    this.#evaluations = (await readEvaluations(run.path)).map(({ loss }) => loss);
    await this.#window.start();
    let outOfPatience = false;
    try {
      // What was due at the step that the run goes on from.
      outOfPatience = await this.#evaluateIfDue();
      if (!outOfPatience) outOfPatience = await this.#train();
      const isCalibrated = outOfPatience || (await this.#calibrateIfDue());
      const finished = isCalibrated && (trainer.step >= steps || outOfPatience);
      if (isCalibrated && (finished || this.#isAborted) && this.#saved !== trainer.step) await this.#save();
      const final = finished && evaluation !== undefined ? await this.#evaluate(evaluation, true) : null;
      await this.#writer.finish();
      await this.#window.stop();
      return {
        step: trainer.step,
        tokens: this.#tokens,
        finished: finished && (final !== null || evaluation === undefined),
        outOfPatience,
        evaluation: final,
      };
    } catch (error) {
      // What was begun is ended before the run's files are closed; the first error counts.
      await this.#writer.finish().catch(() => {});
      const isExplained = error instanceof DivergedError && !(error instanceof LossSpikeError);
      throw isExplained ? await this.#explained(error) : error;
    }
  }

  /** The same error with where it began, found by repeating the steps since the newest checkpoint. */
  async #explained(error: DivergedError): Promise<DivergedError> {
    const { run, trainer, resetModel } = this.#options;
    const where = async (): Promise<string> => {
      if (this.#options.team?.experts) return 'Without expert parallelism it would say where it began';
      const checkpoint = await newestCheckpoint(run.checkpoints, () => {});
      if (checkpoint !== null) {
        await restoreTrainer(trainer, checkpoint);
      } else if (resetModel !== undefined) {
        await resetModel();
        trainer.optimizer.reset();
      } else {
        return 'There is no checkpoint before it from which to find out where it began';
      }
      this.#leader?.stateChanged();
      const from = trainer.step;
      while (trainer.step < error.step - 1) await (await this.#record()).report;
      const found = await locateDivergence(trainer, trainer.step);
      return found === null
        ? `Repeated from step ${from} on, all weights, activations and gradients of that step are finite`
        : `It began in ${found}`;
    };
    return new DivergedError(
      error.step,
      `${error.message}. ${await where().catch((second: unknown) => `Where it began could not be found out (${String(second)})`)}`,
    );
  }

  /** Trains to the end, or until it is asked to stop. Says whether evaluations no longer got better. */
  async #train(): Promise<boolean> {
    const { trainer, steps } = this.#options;
    let pending: Promise<StepReport> | null = null;
    while (trainer.step < steps && !this.#isAborted) {
      this.#writer.check();
      const { report: next } = await this.#record();
      // Its failure is reported when it is awaited.
      next.catch(() => {});
      // While the device runs this step, the one before is logged.
      if (pending !== null) await this.#log(await pending);
      pending = next;
      const { step } = trainer;
      if (!this.#isPause(step)) continue;
      const report = await pending;
      pending = null;
      await this.#log(report, this.#isMeasured(step) ? await this.#measure() : undefined);
      if (!(await this.#calibrateIfDue())) return false;
      if (this.#isSaved(step)) await this.#save();
      if (await this.#evaluateIfDue()) return true;
    }
    return false;
  }

  /** The next step, by whoever shares it; there when it is recorded. */
  async #record(): Promise<{ readonly report: Promise<StepReport> }> {
    const { trainer } = this.#options;
    return this.#leader === null ? { report: trainer.recordStep() } : await this.#leader.recordStep(trainer);
  }

  /** Whether the device must come to rest after a step. */
  #isPause(step: number): boolean {
    return this.#isEnd(step) || this.#isSaved(step) || this.#isMeasured(step) || this.#isEvaluated(step);
  }

  #isSaved(step: number): boolean {
    return step % this.#options.checkpointEvery === 0 || this.#isEnd(step) || this.#isAborted;
  }

  #isMeasured(step: number): boolean {
    const { gradientNormsEvery = null, logEvery } = this.#options;
    return gradientNormsEvery !== null && step % (gradientNormsEvery * logEvery) === 0;
  }

  #isEvaluated(step: number): boolean {
    if (step === 0 || step >= this.#options.steps) return false;
    const every = this.#options.evaluation?.every ?? null;
    return this.#isEnd(step) || (every !== null && step % every === 0);
  }

  /** Whether the run ends at a step, or did before it was lengthened. */
  #isEnd(step: number): boolean {
    const { steps, earlierEnds = [] } = this.#options;
    return step === steps || earlierEnds.includes(step);
  }

  get #isAborted(): boolean {
    return this.#options.signal?.aborted ?? false;
  }

  /** At an end of the run, unless that is done. false: the signal fired before it was. */
  async #calibrateIfDue(): Promise<boolean> {
    const { trainer, calibration, signal } = this.#options;
    if (calibration === undefined || !this.#isEnd(trainer.step) || this.#saved === trainer.step) return true;
    try {
      await this.#window.pause(() => calibrate(trainer.decoder, calibration.batches(), { ...calibration, signal }));
      this.#leader?.stateChanged();
      return true;
    } catch (error) {
      if (this.#isAborted && error === signal?.reason) return false;
      throw error;
    }
  }

  async #log(report: StepReport, gradientNorms?: Readonly<Record<string, PartNorms>>): Promise<void> {
    const { logEvery, lossSpike, onStep } = this.#options;
    if (lossSpike) checkSpike(report, this.#losses, lossSpike);
    this.#losses.push(report.loss);
    this.#tokens += report.tokens;
    this.#window.add(report);
    const closed = report.step % logEvery === 0 || this.#isEnd(report.step) ? this.#window.close() : null;
    const line = {
      ...metricsLine(report, this.#tokens),
      ...closed?.line,
      ...(gradientNorms === undefined ? {} : { gradientNorms }),
    };
    await this.#logs.appendStep(line, closed ?? undefined);
    if (closed !== null) {
      this.#windows++;
      this.#balance = closed.balance;
    }
    onStep?.({
      report,
      tokens: this.#tokens,
      windows: this.#windows,
      balance: this.#balance,
      tokensPerSecond: this.#window.tokensPerSecond,
    });
  }

  async #measure(): Promise<Record<string, PartNorms>> {
    const { trainer } = this.#options;
    return await this.#window.pause(
      async () => await (this.#leader?.measureNorms(trainer) ?? measureNextNorms(trainer, null)),
    );
  }

  async #save(): Promise<void> {
    const { trainer } = this.#options;
    await this.#leader?.confirm(trainer);
    this.#saved = trainer.step;
    const state = {
      format: 'lpr-checkpoint/1',
      step: trainer.step,
      tokens: this.#tokens,
      window: this.#window.open,
    } as const;
    // What the checkpoint relies on must be on disk before it.
    const sync = (): Promise<void> => this.#logs.sync();
    await this.#window.pause(async () => {
      if (this.#leader === null) {
        await this.#writer.begin(state, () => snapshot(trainer), sync);
        return;
      }
      await this.#leader.save(trainer, async (files) => {
        await this.#writer.begin(state, async () => files ?? (await snapshot(trainer)), sync);
        // What is read as it is written must not change meanwhile.
        if (files !== null) await this.#writer.finish();
      });
    });
  }

  /** Says whether evaluations no longer get better. */
  async #evaluateIfDue(): Promise<boolean> {
    const { trainer, evaluation } = this.#options;
    const { step } = trainer;
    if (evaluation === undefined || !this.#isEvaluated(step) || this.#isAborted) return false;
    if ((await this.#evaluate(evaluation, false)) === null) return false;
    return isOutOfPatience(this.#evaluations, evaluation.patience);
  }

  /** null when the signal fires before the last batch. */
  async #evaluate(evaluation: EvaluationOptions, final: boolean): Promise<EvaluationLine | null> {
    const { run, trainer, onEvaluation, signal } = this.#options;
    const at = { step: trainer.step, tokens: this.#tokens, final };
    const options = { ...evaluation, batches: () => untilAborted(evaluation.batches(), signal) };
    let line: EvaluationLine;
    try {
      line = await this.#window.pause(() => evaluateRun(run, trainer.decoder, options, at));
    } catch (error) {
      if (this.#isAborted && error === signal?.reason) return null;
      throw error;
    }
    // With its line the run is finished, and nothing makes a checkpoint that is still missing then.
    if (final) await this.#writer.finish();
    await this.#logs.appendEvaluation(line);
    if (!final) this.#evaluations.push(line.loss);
    onEvaluation?.(line);
    return line;
  }
}

function* untilAborted<Item>(items: Iterable<Item>, signal: AbortSignal | undefined): Generator<Item> {
  for (const item of items) {
    signal?.throwIfAborted();
    yield item;
  }
}
