/**
 * The folder of a run:
 *
 * - `config.yaml`: every setting, resolved
 * - `metrics.jsonl`: a line per step, appended
 * - `loads.bin`: exact expert loads of each logging window, appended (format: @lpr/metrics, loads.ts)
 * - `checkpoints/step-000123/`: see checkpoint.ts
 * - `evaluation.json`: figures of the finished model
 * - `lock`: while a process works on it
 */
import { mkdir, open, readdir, readFile, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { encodeLoadHeader, encodeLoadWindow, type LoadShape, type LoadWindow, loadsUntilStep } from '@lpr/metrics';
import { parse, stringify } from 'yaml';
import { hasCode, syncFolder, writeWhole } from './files.ts';
import { LOCK_FILE, lockFolder } from './lock.ts';

/** One line of `metrics.jsonl`. Everything but `tokensPerSecond` is decided by the configuration alone. */
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
  /** Where a logging window closes: balance of its exact loads, mean over layers; null for a figure that does not exist. */
  readonly gini?: number | null;
  readonly minMax?: number | null;
  /** The least balanced layer. */
  readonly worst?: { readonly gini: number | null; readonly minMax: number | null };
  /** Over the window, as this machine ran it. */
  readonly tokensPerSecond?: number;
}

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
    await writeWhole(join(path, 'config.yaml'), stringify(config));
    return run;
  }

  /**
   * Locks the folder of a run, to go on with it.
   *
   * @throws Error when there is no run, or another process works on it
   */
  static async open(path: string): Promise<RunFolder> {
    await readConfig(path);
    return new RunFolder(path, await lockFolder(path));
  }

  get checkpoints(): string {
    return join(this.path, 'checkpoints');
  }

  /** Opens both logs for appending, cut back to what they held after `step` steps; started if they are not there. */
  async openLogs(step: number, shape: LoadShape): Promise<RunLogs> {
    const metricsPath = join(this.path, 'metrics.jsonl');
    const loadsPath = join(this.path, 'loads.bin');
    const header = encodeLoadHeader(shape);
    await cutBack(metricsPath, (content) => metricsUntilStep(content, step).length);
    // A process killed right after it made the file may have left less than a header.
    await cutBack(loadsPath, (content) => (content.length < header.length ? 0 : loadsUntilStep(content, step).length));
    const metrics = await open(metricsPath, 'a');
    const loads = await open(loadsPath, 'a');
    if ((await loads.stat()).size === 0) await loads.appendFile(header);
    await syncFolder(this.path);
    return {
      appendMetrics: async (line) => await metrics.appendFile(`${JSON.stringify(line)}\n`),
      appendLoads: async (window) => await loads.appendFile(encodeLoadWindow(shape, window)),
      sync: async () => {
        await Promise.all([metrics.sync(), loads.sync()]);
      },
      close: async () => {
        await Promise.all([metrics.close(), loads.close()]);
      },
    };
  }

  /** Gives the lock back. */
  async close(): Promise<void> {
    await this.#unlock();
  }
}

/** The two append-only files of a run. */
export interface RunLogs {
  appendMetrics(line: MetricsLine): Promise<void>;
  appendLoads(window: LoadWindow): Promise<void>;
  /** Waits until the disk has both. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Makes a folder that must not hold anything yet, with those above it.
 *
 * @throws Error that says what is in the way
 */
export async function makeEmptyFolder(path: string): Promise<void> {
  let content: string[];
  try {
    await mkdir(path, { recursive: true });
    content = await readdir(path);
  } catch (error) {
    throw new Error(`cannot make the folder ${path} (${String(error)}); choose another --out`, { cause: error });
  }
  // A process that was killed before it wrote anything else may have left these.
  if (content.some((name) => name !== LOCK_FILE && !name.endsWith('.tmp'))) {
    throw new Error(`${path} already exists and is not empty; nothing in it was changed`);
  }
  await syncFolder(dirname(path));
}

/**
 * The settings of a run, as they were written; not checked.
 *
 * @throws Error when the folder holds no run, or its configuration is no YAML
 */
export async function readConfig(path: string): Promise<unknown> {
  const file = join(path, 'config.yaml');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new Error(`${path} is no run folder: cannot read ${file} (${String(error)})`, { cause: error });
  }
  try {
    return parse(text);
  } catch (error) {
    throw new Error(`${file} is no valid YAML: ${String(error)}`, { cause: error });
  }
}

/** The lines of a run's `metrics.jsonl`; a last line cut short is left out. Empty when there are none yet. */
export async function readMetrics(path: string): Promise<MetricsLine[]> {
  const content = await readFile(join(path, 'metrics.jsonl')).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return Buffer.alloc(0);
    throw error;
  });
  return metricsUntilStep(content, Number.POSITIVE_INFINITY)
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as MetricsLine);
}

/** The leading part that ends with the last whole line of `step` or before: a view, not a copy. */
function metricsUntilStep(content: Buffer, step: number): Buffer {
  let end = 0;
  for (let next = content.indexOf('\n', end); next >= 0; next = content.indexOf('\n', end)) {
    const line = JSON.parse(content.toString('utf8', end, next)) as MetricsLine;
    if (line.step > step) break;
    end = next + 1;
  }
  return content.subarray(0, end);
}

async function cutBack(path: string, keptBytes: (content: Buffer) => number): Promise<void> {
  let content: Buffer;
  try {
    content = await readFile(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return;
    throw error;
  }
  await truncate(path, keptBytes(content));
}
