/**
 * The folder of a run:
 *
 * - `config.yaml`: every setting, resolved; `identity.json`: what the run began with, see identity.ts
 * - `environment.json`: where and when it ran
 * - `metrics.jsonl`: a line per step, see metrics-line.ts; `evaluations.jsonl`: a line per evaluation, the last one
 *   final in a finished run, see evaluation-line.ts; `loads.bin`: exact expert loads of each logging window (format:
 *   @lpr/metrics, loads.ts); `events.out.tfevents.run`: for TensorBoard. All appended, see logs.ts
 * - `held-out-blocks.json`: the final evaluation in blocks of its text, see blocks.ts
 * - `traces/step-000123.trace`, `latents/step-000123.safetensors`: how held-out tokens were routed, see traces.ts
 * - `similarity/step-000123.safetensors`: how alike the experts are, where it was measured, see similarity.ts
 * - `checkpoints/step-000123/`: see checkpoint.ts
 * - `tokenizer.json`, `tokenizer_config.json`: for what reads the checkpoints, as Hugging Face names them
 * - `failure.json`: of a run of several that failed, see failure.ts
 * - `note.json`: what people wrote of it, see note.ts; written without the lock
 * - `lock`: while a process works on it
 */
import { dirname, join } from 'node:path';
import { isFolder, makeFolder } from '@lpr/guard';
import { encodeTrace, type LoadShape, type RoutingTrace } from '@lpr/metrics';
import { encodeBlocks, type HeldOutBlocks } from './blocks.ts';
import { removeHalfWritten } from './checkpoint.ts';
import { encodeConfig, readConfig } from './config.ts';
import { type Environment, recordEnvironment } from './environment.ts';
import { finalEvaluation } from './evaluation-line.ts';
import { removeLeft, writeWhole } from './files.ts';
import { makeEmptyFolder } from './folders.ts';
import { completeChange } from './identity.ts';
import { lockFolder } from './lock.ts';
import { cutEvaluations, RunLogs } from './logs.ts';
import { latentsFile, RUN_FILES, RUN_FOLDERS, similarityFile, traceFile } from './names.ts';
import { readEvaluations } from './run.ts';

/** A run's folder while this process writes it, locked against others. */
export class RunFolder {
  readonly path: string;
  readonly #unlock: () => Promise<void>;

  private constructor(path: string, unlock: () => Promise<void>) {
    this.path = path;
    this.#unlock = unlock;
  }

  /**
   * Makes and locks a run folder.
   *
   * @param config written as `config.yaml`; plain data
   * @throws Error when there already is something at the path, or nothing can be written there
   */
  static async create(path: string, config: object): Promise<RunFolder> {
    await makeEmptyFolder(path);
    const run = new RunFolder(path, await lockFolder(path));
    await run.#removeTemporaries();
    await writeWhole(join(path, RUN_FILES.config), encodeConfig(config));
    return run;
  }

  /**
   * Locks the folder of a run, to go on with it, and brings to its end what a killed process left of a change of
   * settings.
   *
   * @throws Error when there is no run, or another process works on it
   */
  static async open(path: string): Promise<RunFolder> {
    await readConfig(path);
    const run = new RunFolder(path, await lockFolder(path));
    try {
      await run.#removeTemporaries();
      await completeChange(path);
    } catch (error) {
      await run.close();
      throw error;
    }
    return run;
  }

  get checkpoints(): string {
    return join(this.path, RUN_FOLDERS.checkpoints);
  }

  /**
   * Opens all logs for appending, cut back to what they held after `step` steps and before an evaluation there; started
   * if they are not there. `shape` is that of the loads; null for a model without experts.
   */
  async openLogs(step: number, shape: LoadShape | null): Promise<RunLogs> {
    return await RunLogs.open(this.path, step, shape);
  }

  /** Writes down where and since when the run goes on. */
  async recordEnvironment(environment: Environment): Promise<void> {
    await recordEnvironment(this.path, environment);
  }

  /** Makes a finished run one that is not: the evaluations at its last step go, and are made again when it goes on. */
  async reopen(): Promise<void> {
    const final = finalEvaluation(await readEvaluations(this.path));
    if (final !== undefined) await cutEvaluations(this.path, final.step);
  }

  /** Writes the blocks of the final evaluation, before its line: a finished run has them. */
  async writeBlocks(blocks: HeldOutBlocks): Promise<void> {
    await writeWhole(join(this.path, RUN_FILES.blocks), encodeBlocks(blocks));
  }

  /** Writes where held-out tokens went at a step. */
  async writeTrace(step: number, trace: RoutingTrace): Promise<void> {
    await this.#writeBelow(traceFile(step), encodeTrace(trace));
  }

  /** Writes the latents of held-out tokens at a step. @param content a file of safetensors, named as in traces.ts */
  async writeLatents(step: number, content: Uint8Array): Promise<void> {
    await this.#writeBelow(latentsFile(step), content);
  }

  /** Writes how alike the experts are at a step. @param content a file of safetensors, as in similarity.ts */
  async writeSimilarity(step: number, content: Uint8Array): Promise<void> {
    await this.#writeBelow(similarityFile(step), content);
  }

  async #writeBelow(file: string, content: Uint8Array): Promise<void> {
    const path = join(this.path, file);
    await makeFolder(dirname(path));
    await writeWhole(path, content);
  }

  /** Removes what killed processes left half written, and nothing else: others may have files here, too. */
  async #removeTemporaries(): Promise<void> {
    for (const folder of ['', ...Object.values(RUN_FOLDERS)]) {
      const path = join(this.path, folder);
      if (await isFolder(path)) await removeLeft(path);
    }
    if (await isFolder(this.checkpoints)) await removeHalfWritten(this.checkpoints);
  }

  /** Gives the lock back. */
  async close(): Promise<void> {
    await this.#unlock();
  }
}
