/** The append-only files of a run, and how each is cut back to a step when the run goes on from a checkpoint. */
import { type FileHandle, open, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeLoadHeader, encodeLoadWindow, type LoadShape, type LoadWindow, loadsUntilStep } from '@lpr/metrics';
import { z } from 'zod';
import type { EvaluationLine } from './evaluation-line.ts';
import { hasCode, syncFolder } from './files.ts';
import type { MetricsLine } from './metrics-line.ts';
import { RUN_FILES } from './names.ts';
import { stepSchema } from './plain.ts';
import { EVALUATION_GROUP, evaluationSummaries, stepSummaries, windowSummaries } from './summaries.ts';
import { eventsUntilStep, fileVersionRecord, type Summary, summaryRecord } from './tensorboard/events.ts';

/** The append-only files of a run. */
export class RunLogs {
  readonly #shape: LoadShape | null;
  readonly #metrics: FileHandle;
  readonly #evaluations: FileHandle;
  readonly #loads: FileHandle | null;
  readonly #events: FileHandle;

  private constructor(
    shape: LoadShape | null,
    handles: readonly [FileHandle, FileHandle, FileHandle | null, FileHandle],
  ) {
    this.#shape = shape;
    [this.#metrics, this.#evaluations, this.#loads, this.#events] = handles;
  }

  /**
   * Opens all for appending, cut back to what they held right after `step` steps, before an evaluation at that step;
   * started where they are not there.
   *
   * @param shape of the loads; null: the model has no experts, so there is no file of loads
   */
  static async open(folder: string, step: number, shape: LoadShape | null): Promise<RunLogs> {
    const handles = [
      await openCutBack(join(folder, RUN_FILES.metrics), (content) => linesUntilStep(content, step)),
      await openCutBack(join(folder, RUN_FILES.evaluations), (content) => linesUntilStep(content, step - 1)),
      shape === null ? null : await openLoads(join(folder, RUN_FILES.loads), step, shape),
      await openCutBack(
        join(folder, RUN_FILES.events),
        (content) => eventsUntilStep(content, step, EVALUATION_GROUP),
        fileVersionRecord(wallTime()),
      ),
    ] as const;
    await syncFolder(folder);
    return new RunLogs(shape, handles);
  }

  /** Logs a step; `window` holds the loads of a logging window that closes with it. */
  async appendStep(line: MetricsLine, window?: Pick<LoadWindow, 'tokens' | 'counts'>): Promise<void> {
    await append(RUN_FILES.metrics, this.#metrics, encodeLine(line));
    await this.#appendSummaries(line.step, stepSummaries(line));
    if (window === undefined) return;
    const { tokens, counts } = window;
    if (this.#loads !== null) {
      await append(RUN_FILES.loads, this.#loads, encodeLoadWindow(this.#shape!, { step: line.step, tokens, counts }));
    }
    await this.#appendSummaries(line.step, windowSummaries(line, counts));
  }

  /** Logs an evaluation. A final one says that the run is finished: all else must be on disk before it. */
  async appendEvaluation(line: EvaluationLine): Promise<void> {
    await this.#appendSummaries(line.step, evaluationSummaries(line));
    if (line.final) await this.sync();
    await append(RUN_FILES.evaluations, this.#evaluations, encodeLine(line));
    if (line.final) await this.#evaluations.sync();
  }

  async #appendSummaries(step: number, summaries: readonly Summary[]): Promise<void> {
    await append(RUN_FILES.events, this.#events, summaryRecord(wallTime(), step, summaries));
  }

  /** Waits until the disk has all. */
  async sync(): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.sync()));
  }

  async close(): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.close()));
  }

  get #handles(): FileHandle[] {
    return [this.#metrics, this.#evaluations, this.#loads, this.#events].filter((handle) => handle !== null);
  }
}

/**
 * The newest step that a run's `metrics.jsonl` can be read up to without a break, as far as a run can go on from; 0
 * when there is none.
 */
export async function loggedStep(run: string): Promise<number> {
  const content = await readIfThere(join(run, RUN_FILES.metrics));
  return Array.from(wholeLines(content ?? Buffer.alloc(0))).at(-1)?.step ?? 0;
}

function encodeLine(line: MetricsLine | EvaluationLine): string {
  return `${JSON.stringify(line)}\n`;
}

/** The leading part that ends with the last line of `step` or before: a view, not a copy. */
function linesUntilStep(content: Buffer, step: number): Buffer {
  let kept = 0;
  for (const line of wholeLines(content)) {
    if (line.step > step) break;
    kept = line.end;
  }
  return content.subarray(0, kept);
}

/** What cutting back needs of a line; whatever else is wrong with one is for its readers to say. */
const steppedSchema = z.object({ step: stepSchema });

/** The step of each line that ends and has one, up to the first without, and where it ends. */
function* wholeLines(content: Buffer): Generator<{ readonly step: number; readonly end: number }> {
  let start = 0;
  for (let next = content.indexOf('\n'); next >= 0; next = content.indexOf('\n', start)) {
    const step = stepOf(content.toString('utf8', start, next));
    if (step === null) return;
    start = next + 1;
    yield { step, end: start };
  }
}

function stepOf(line: string): number | null {
  try {
    return steppedSchema.parse(JSON.parse(line)).step;
  } catch {
    return null;
  }
}

/** A part that a full disk leaves of it is cut off when the run goes on. */
async function append(name: string, file: FileHandle, content: Uint8Array | string): Promise<void> {
  try {
    await file.appendFile(content);
  } catch (error) {
    throw new Error(`cannot write ${name} (${String(error)}). Make room on the disk, then resume`, { cause: error });
  }
}

async function openLoads(path: string, step: number, shape: LoadShape): Promise<FileHandle> {
  const header = encodeLoadHeader(shape);
  // A process killed right after it made the file may have left less than a header.
  const kept = (content: Buffer): Uint8Array =>
    content.length < header.length ? content.subarray(0, 0) : loadsUntilStep(content, step);
  return await openCutBack(path, kept, header);
}

async function openCutBack(
  path: string,
  kept: (content: Buffer) => Uint8Array,
  header: Uint8Array = new Uint8Array(0),
): Promise<FileHandle> {
  const content = await readIfThere(path);
  if (content !== null) await truncate(path, kept(content).length);
  const file = await open(path, 'a');
  if ((await file.stat()).size === 0) await file.appendFile(header);
  return file;
}

async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}

function wallTime(): number {
  return Date.now() / 1000;
}
