/** The append-only files of a run, and how each is cut back to a step when the run goes on from a checkpoint. */
import { type FileHandle, open, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { named, openRegular } from '@lpr/guard';
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
      await openCutBack(join(folder, RUN_FILES.metrics), (file) => keptBytes(file, linesUntilStep(step))),
      await openEvaluations(folder, step),
      shape === null ? null : await openLoads(join(folder, RUN_FILES.loads), step, shape),
      await openCutBack(
        join(folder, RUN_FILES.events),
        (file) => keptBytes(file, (chunk) => eventsUntilStep(chunk, step, EVALUATION_GROUP).length),
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

  /** Closes all files. */
  async close(): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.close()));
  }

  get #handles(): FileHandle[] {
    return [this.#metrics, this.#evaluations, this.#loads, this.#events].filter((handle) => handle !== null);
  }
}

/** Cuts a run's evaluations back to those before a step. */
export async function cutEvaluations(folder: string, step: number): Promise<void> {
  const file = await openEvaluations(folder, step);
  await file.sync();
  await file.close();
}

async function openEvaluations(folder: string, step: number): Promise<FileHandle> {
  return await openCutBack(join(folder, RUN_FILES.evaluations), (file) => keptBytes(file, linesUntilStep(step - 1)));
}

/**
 * The newest step that a run's `metrics.jsonl` can be read up to without a break, as far as a run can go on from; 0
 * when there is none.
 */
export async function loggedStep(run: string): Promise<number> {
  const file = await openIfThere(join(run, RUN_FILES.metrics));
  if (file === null) return 0;
  let newest = 0;
  try {
    await keptBytes(file, (chunk) => {
      const last = Array.from(wholeLines(chunk)).at(-1);
      newest = last?.step ?? newest;
      return last?.end ?? 0;
    });
  } finally {
    await file.close();
  }
  return newest;
}

function encodeLine(line: MetricsLine | EvaluationLine): string {
  return `${JSON.stringify(line)}\n`;
}

/** Bytes of a chunk up to the end of its last line of `step` or before. */
function linesUntilStep(step: number): (chunk: Buffer) => number {
  return (chunk) => {
    let kept = 0;
    for (const line of wholeLines(chunk)) {
      if (line.step > step) break;
      kept = line.end;
    }
    return kept;
  };
}

/** Bytes that are read at once, and those that a line or record takes at most. */
const CHUNK_BYTES = 2 ** 22;
const MOST_CHUNK_BYTES = 2 ** 26;

/**
 * How far a file is to be kept. Files may be larger than memory.
 *
 * @param kept bytes of a chunk to keep, up to the end of a line or record; 0 where the first of it goes, or is longer
 *   than the chunk
 * @param start bytes that are kept anyway
 */
async function keptBytes(file: FileHandle, kept: (chunk: Buffer) => number, start: number = 0): Promise<number> {
  const { size } = await file.stat();
  let at = start;
  for (let length = CHUNK_BYTES; at < size; ) {
    const chunk = Buffer.alloc(Math.min(length, size - at));
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
    const bytes = kept(chunk.subarray(0, bytesRead));
    at += bytes;
    if (bytes > 0) length = CHUNK_BYTES;
    else if (length < MOST_CHUNK_BYTES && at + length < size) length *= 4;
    else break;
  }
  return at;
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
  const kept = async (file: FileHandle): Promise<number> => {
    const own = Buffer.alloc(header.length);
    const { bytesRead } = await file.read(own, 0, own.length, 0);
    // A process killed right after it made the file may have left less than a header.
    if (bytesRead < own.length) return 0;
    const until = (chunk: Buffer): number => loadsUntilStep(Buffer.concat([own, chunk]), step).length - own.length;
    until(Buffer.alloc(0));
    return await keptBytes(file, until, own.length);
  };
  return await openCutBack(path, kept, header);
}

async function openCutBack(
  path: string,
  kept: (file: FileHandle) => Promise<number>,
  header: Uint8Array = new Uint8Array(0),
): Promise<FileHandle> {
  const before = await openIfThere(path);
  if (before !== null) {
    try {
      await truncate(path, await kept(before));
    } finally {
      await before.close();
    }
  }
  const file = await open(path, 'a');
  if ((await file.stat()).size === 0) await file.appendFile(header);
  return file;
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  try {
    return await named(path, openRegular(path));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}

function wallTime(): number {
  return Date.now() / 1000;
}
