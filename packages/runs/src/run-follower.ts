/** Follows a run while it is written: its files are read once, and again only where they grew. */
import { decodeConfig } from './config.ts';
import { type EvaluationLine, evaluationLineSchema } from './evaluation-line.ts';
import { hasCode } from './files.ts';
import { FollowedLines } from './followed-lines.ts';
import { type LoadsInfo, loadsInfo, readWindows, type WindowRange } from './load-windows.ts';
import { isLocked } from './lock.ts';
import { metricsLineSchema } from './metrics-line.ts';
import { MetricsSeries } from './metrics-series.ts';
import { RUN_FILES } from './names.ts';
import { decodeNote, NO_NOTE, type RunNote } from './note.ts';
import { messageOf } from './plain.ts';
import { readSmall, type RunFiles, withFile } from './run-files.ts';

type FollowedLog = Pick<FollowedLines<unknown>, 'poll' | 'problems'>;

/** Reads a run while another process writes it. */
export class RunFollower {
  readonly #files: RunFiles;
  readonly #metrics = new MetricsSeries();
  readonly #evaluations: EvaluationLine[] = [];
  readonly #logs: ReadonlyMap<string, FollowedLog>;
  readonly #problems = new Map<string, string>();
  readonly #settings = new FollowedFile<unknown>(RUN_FILES.config, decodeConfig, null);
  readonly #note = new FollowedFile<RunNote>(RUN_FILES.note, decodeNote, NO_NOTE);
  #locked = false;
  #read = false;
  #updatedAt = 0;
  #polling: Promise<void> | null = null;
  #version = 0;

  /** @param files of the run; every one is opened through them */
  constructor(files: RunFiles) {
    this.#files = files;
    this.#logs = new Map<string, FollowedLog>([
      [RUN_FILES.metrics, new FollowedLines(files, RUN_FILES.metrics, metricsLineSchema, this.#metrics)],
      [
        RUN_FILES.evaluations,
        new FollowedLines(files, RUN_FILES.evaluations, evaluationLineSchema, {
          line: (line) => this.#evaluations.push(line),
          reset: () => (this.#evaluations.length = 0),
        }),
      ],
    ]);
  }

  /** Another number each time that anything changed. */
  get version(): number {
    return this.#version;
  }

  /** Whether its files were read at all. */
  get isRead(): boolean {
    return this.#read;
  }

  /** Whether a process works on it. */
  get isLocked(): boolean {
    return this.#locked;
  }

  /** When its metrics last changed, milliseconds since 1970; 0 while there are none. */
  get updatedAt(): number {
    return this.#updatedAt;
  }

  /** What `config.yaml` holds. */
  get settings(): unknown {
    return this.#settings.value;
  }

  /** What people wrote of it. */
  get note(): RunNote {
    return this.#note.value;
  }

  get metrics(): MetricsSeries {
    return this.#metrics;
  }

  get evaluations(): readonly EvaluationLine[] {
    return this.#evaluations;
  }

  /** What is wrong with its files, a sentence each. */
  get problems(): readonly string[] {
    return [
      ...this.#problems.values(),
      ...Array.from(this.#logs).flatMap(([file, { problems }]) => problems.map((problem) => `${file}: ${problem}`)),
    ];
  }

  /** Reads what is new. Calls at one time share one pass. */
  poll(): Promise<void> {
    this.#polling ??= this.#poll().finally(() => (this.#polling = null));
    return this.#polling;
  }

  /** Shape and number of its loads; null where there are none, or the file is none of loads (which is a problem). */
  async loads(): Promise<LoadsInfo | null> {
    return await this.#guarded(RUN_FILES.loads, () => loadsInfo(this.#files), null);
  }

  /** Some windows of its loads as the bytes of a smaller file of loads; as `readWindows`. */
  async windows(range: WindowRange): Promise<Uint8Array> {
    return await readWindows(this.#files, range);
  }

  async #poll(): Promise<void> {
    const before = this.#state();
    const changed: boolean[] = [];
    for (const small of [this.#settings, this.#note]) {
      changed.push(await this.#guarded(small.path, () => small.poll(this.#files), false));
    }
    for (const [file, log] of this.#logs) changed.push(await this.#guarded(file, () => log.poll(), false));
    await this.loads();
    this.#locked = await isLocked(this.#files);
    this.#updatedAt = await this.#modifiedAt(RUN_FILES.metrics);
    this.#read = true;
    if (changed.includes(true) || before !== this.#state()) this.#version++;
  }

  #state(): string {
    return JSON.stringify([this.#locked, this.#read, Array.from(this.#problems)]);
  }

  /**
   * Reads a file; what that throws stops nothing else, and is a problem of the file until it can be read. One that is
   * damaged must throw each time, although it is read once.
   */
  async #guarded<Result>(file: string, read: () => Promise<Result>, otherwise: Result): Promise<Result> {
    try {
      const result = await read();
      this.#problems.delete(file);
      return result;
    } catch (error) {
      this.#problems.set(file, `${file}: ${messageOf(error)}`);
      return otherwise;
    }
  }

  async #modifiedAt(path: string): Promise<number> {
    return await withFile(this.#files, path, async (file) => (await file.stat()).mtimeMs).catch(() => 0);
  }
}

/** A small file that is replaced as a whole: read again where it is another one. */
class FollowedFile<Value> {
  readonly path: string;
  readonly #decode: (text: string) => Value;
  readonly #absent: Value;
  #value: Value;
  #seen = '';
  /** Why what was seen could not be understood; null where it could. */
  #damage: Error | null = null;

  /** @param absent what it holds while it is not there */
  constructor(path: string, decode: (text: string) => Value, absent: Value) {
    this.path = path;
    this.#decode = decode;
    this.#absent = absent;
    this.#value = absent;
  }

  get value(): Value {
    return this.#value;
  }

  /**
   * Whether it is another one than before.
   *
   * @throws Error where it cannot be read now; of one that is damaged the same each time, until it is another one
   */
  async poll(files: RunFiles): Promise<boolean> {
    let changed: boolean;
    try {
      changed = await withFile(files, this.path, async (file) => {
        const { size, mtimeMs, ino } = await file.stat();
        const seen = `${size} ${mtimeMs} ${ino}`;
        return this.#seen !== seen && this.#take(seen, await readSmall(file));
      });
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
      changed = this.#seen !== '';
      [this.#seen, this.#value, this.#damage] = ['', this.#absent, null];
    }
    if (this.#damage !== null) throw this.#damage;
    return changed;
  }

  #take(seen: string, text: string): boolean {
    [this.#seen, this.#damage] = [seen, null];
    try {
      this.#value = this.#decode(text);
    } catch (error) {
      this.#damage = new Error(messageOf(error), { cause: error });
    }
    return true;
  }
}
