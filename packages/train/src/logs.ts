/** The append-only files of a run, and how each is cut back to a step when the run goes on from a checkpoint. */
import { type FileHandle, open, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeLoadHeader, encodeLoadWindow, type LoadShape, type LoadWindow, loadsUntilStep } from '@lpr/metrics';
import { hasCode, syncFolder } from './files.ts';
import { eventsUntilStep, fileVersionRecord, type Summary, summaryRecord } from './tensorboard/events.ts';

/** Balance of exact loads; null for a figure that does not exist. */
export interface BalanceFigures {
  readonly gini: number | null;
  readonly minMax: number | null;
  readonly maxVio: number | null;
}

/** Norms of the gradient of one term of the objective, by part of the model. */
export interface PartNorms {
  /** What routers consist of besides prototypes: encoders, norms. */
  readonly router: number;
  /** What routers hold of each expert. */
  readonly prototypes: number;
  /** All the rest. */
  readonly trunk: number;
}

/**
 * One line of `metrics.jsonl`. Everything but `tokensPerSecond`, `phases` and `memory` is decided by the configuration
 * alone.
 */
export interface MetricsLine {
  /** Steps done. */
  readonly step: number;
  /** Tokens trained on so far. */
  readonly tokens: number;
  /** Cross entropy of this step's batch, nats per token. */
  readonly loss: number;
  /** With all weighted terms. */
  readonly totalLoss: number;
  readonly learningRate: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  /** Each further term of the objective, one figure a layer (a single one where layers are pooled). */
  readonly terms: Readonly<Record<string, { readonly raw: readonly number[]; readonly weighted: readonly number[] }>>;
  /**
   * Where a logging window closes: balance of its exact loads, mean over layers; null for a figure that does not exist.
   */
  readonly gini?: number | null;
  readonly minMax?: number | null;
  readonly maxVio?: number | null;
  /** The least balanced layer. */
  readonly worst?: BalanceFigures;
  /** Over the window, as this machine ran it. */
  readonly tokensPerSecond?: number;
  /**
   * Milliseconds a step by part of the model, and 'idle', mean over the window; left out on devices that do not time
   * what they run.
   */
  readonly phases?: Readonly<Record<string, number>>;
  /** Bytes: resident memory of the process, and the most that was ever live on the device. */
  readonly memory?: { readonly host: number; readonly device: number };
  /** Where they were measured: of the cross entropy ('task') and of each further term, weighted. */
  readonly gradientNorms?: Readonly<Record<string, PartNorms>>;
}

/** One line of `evaluations.jsonl`. */
export interface EvaluationLine extends BalanceFigures {
  /** Steps done. */
  readonly step: number;
  /** Tokens trained on so far. */
  readonly tokens: number;
  /** Whether this is the evaluation at the end of the run. */
  readonly final: boolean;
  /** Cross entropy of each domain in nats a token, `exp` of it, and over how many tokens. */
  readonly domains: Readonly<
    Record<string, { readonly loss: number; readonly perplexity: number; readonly tokens: number }>
  >;
  readonly loss: number;
  readonly perplexity: number;
  readonly evaluatedTokens: number;
  /** The least balanced layer; the figures beside it are means over layers. */
  readonly worst: BalanceFigures;
  /**
   * I(expert; token id) in nats, mean over layers, beside what samples without any relation would show; null where it
   * would not fit into memory.
   */
  readonly mutualInformation: number | null;
  readonly mutualInformationBias: number | null;
}

/** What tags of an evaluation's events begin with. */
export const EVALUATION_GROUP = 'evaluation';

const METRICS_FILE = 'metrics.jsonl';
const EVALUATIONS_FILE = 'evaluations.jsonl';
const LOADS_FILE = 'loads.bin';
/**
 * TensorBoard takes every file with "tfevents" in its name; one name, so that a run that goes on appends to its own
 * file.
 */
const EVENTS_FILE = 'events.out.tfevents.run';

/** The append-only files of a run. */
export class RunLogs {
  readonly #shape: LoadShape;
  readonly #metrics: FileHandle;
  readonly #evaluations: FileHandle;
  readonly #loads: FileHandle;
  readonly #events: FileHandle;

  private constructor(shape: LoadShape, handles: readonly [FileHandle, FileHandle, FileHandle, FileHandle]) {
    this.#shape = shape;
    [this.#metrics, this.#evaluations, this.#loads, this.#events] = handles;
  }

  /**
   * Opens all for appending, cut back to what they held right after `step` steps, before an evaluation at that step;
   * started where they are not there.
   */
  static async open(folder: string, step: number, shape: LoadShape): Promise<RunLogs> {
    const header = encodeLoadHeader(shape);
    // A process killed right after it made the file may have left less than a header.
    const loadsKept = (content: Buffer): Uint8Array =>
      content.length < header.length ? content.subarray(0, 0) : loadsUntilStep(content, step);
    const handles = [
      await openCutBack(join(folder, METRICS_FILE), (content) => linesUntilStep(content, step)),
      await openCutBack(join(folder, EVALUATIONS_FILE), (content) => linesUntilStep(content, step - 1)),
      await openCutBack(join(folder, LOADS_FILE), loadsKept, header),
      await openCutBack(
        join(folder, EVENTS_FILE),
        (content) => eventsUntilStep(content, step, EVALUATION_GROUP),
        fileVersionRecord(wallTime()),
      ),
    ] as const;
    await syncFolder(folder);
    return new RunLogs(shape, handles);
  }

  async appendMetrics(line: MetricsLine): Promise<void> {
    await append(METRICS_FILE, this.#metrics, `${JSON.stringify(line)}\n`);
  }

  async appendEvaluation(line: EvaluationLine): Promise<void> {
    await append(EVALUATIONS_FILE, this.#evaluations, `${JSON.stringify(line)}\n`);
  }

  async appendLoads(window: LoadWindow): Promise<void> {
    await append(LOADS_FILE, this.#loads, encodeLoadWindow(this.#shape, window));
  }

  async appendSummaries(step: number, summaries: readonly Summary[]): Promise<void> {
    await append(EVENTS_FILE, this.#events, summaryRecord(wallTime(), step, summaries));
  }

  /** Waits until the disk has all. */
  async sync(): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.sync()));
  }

  async close(): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.close()));
  }

  get #handles(): FileHandle[] {
    return [this.#metrics, this.#evaluations, this.#loads, this.#events];
  }
}

/** The lines of a run's `metrics.jsonl`; a last line cut short is left out. Empty when there are none yet. */
export async function readMetrics(run: string): Promise<MetricsLine[]> {
  return await readLines<MetricsLine>(join(run, METRICS_FILE));
}

/** The lines of a run's `evaluations.jsonl`; a last line cut short is left out. Empty when there are none yet. */
export async function readEvaluations(run: string): Promise<EvaluationLine[]> {
  return await readLines<EvaluationLine>(join(run, EVALUATIONS_FILE));
}

async function readLines<Line>(path: string): Promise<Line[]> {
  return Array.from(wholeLines((await readIfThere(path)) ?? Buffer.alloc(0)), ({ line }) => line as Line);
}

/** The leading part that ends with the last line of `step` or before: a view, not a copy. */
function linesUntilStep(content: Buffer, step: number): Buffer {
  let kept = 0;
  for (const { line, end } of wholeLines(content)) {
    if (line.step > step) break;
    kept = end;
  }
  return content.subarray(0, kept);
}

/** Each line that ends and is JSON, up to the first that is not, and where it ends. */
function* wholeLines(content: Buffer): Generator<{ readonly line: { readonly step: number }; readonly end: number }> {
  let start = 0;
  for (let next = content.indexOf('\n'); next >= 0; next = content.indexOf('\n', start)) {
    let line: { step: number };
    try {
      line = JSON.parse(content.toString('utf8', start, next)) as { step: number };
    } catch {
      return;
    }
    start = next + 1;
    yield { line, end: start };
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
