/** Follows a file of JSON lines that another process appends to, reading every byte once. */
import type { FileHandle } from 'node:fs/promises';
import { hasCode } from '@lpr/train';
import type { ServedFolder } from './paths.ts';

const CHUNK_BYTES = 2 ** 20;
/** A line that goes on for longer is no line that a trainer writes. */
const MAX_LINE_BYTES = 2 ** 22;
/** Bytes before the place reached that must still be there, or the file was cut back and written anew. */
const GUARD_BYTES = 256;
const MAX_PROBLEMS = 3;

export interface LineReader {
  /** A whole line that is JSON. */
  line(value: unknown): void;
  /** The file starts anew: forget all lines. */
  reset(): void;
}

export class JsonLines {
  readonly #folder: ServedFolder;
  readonly #path: string;
  readonly #reader: LineReader;
  /** End of the last whole line. */
  #offset = 0;
  #guard: Buffer = Buffer.alloc(0);
  #lines = 0;
  #bad = 0;
  #problems: string[] = [];
  #seen = '';

  /** @param path of the file below the folder; it need not be there yet */
  constructor(folder: ServedFolder, path: string, reader: LineReader) {
    this.#folder = folder;
    this.#path = path;
    this.#reader = reader;
  }

  /** Bytes read and understood so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Lines that are no JSON, a sentence each, the first few. */
  get problems(): readonly string[] {
    return this.#bad > this.#problems.length
      ? [...this.#problems, `${this.#bad - this.#problems.length} more lines are no JSON`]
      : this.#problems;
  }

  /**
   * Reads what was appended since the last call; a last line without its end is left for later.
   *
   * @returns whether the file changed
   */
  async poll(): Promise<boolean> {
    let file: FileHandle;
    try {
      file = await this.#folder.open(this.#path);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
      return this.#start();
    }
    try {
      const { size, mtimeMs, ino } = await file.stat();
      const seen = `${ino} ${size} ${mtimeMs}`;
      if (seen === this.#seen) return false;
      if (size < this.#offset || !(await this.#guardHolds(file))) this.#start();
      await this.#read(file, size);
      this.#seen = seen;
      return true;
    } finally {
      await file.close();
    }
  }

  /** Forgets what was read; says whether there was anything. */
  #start(): boolean {
    const changed = this.#seen !== '';
    this.#offset = 0;
    this.#guard = Buffer.alloc(0);
    this.#lines = 0;
    this.#bad = 0;
    this.#problems = [];
    this.#seen = '';
    if (changed) this.#reader.reset();
    return changed;
  }

  async #guardHolds(file: FileHandle): Promise<boolean> {
    const now = Buffer.alloc(this.#guard.length);
    await file.read(now, 0, now.length, this.#offset - now.length);
    return now.equals(this.#guard);
  }

  async #read(file: FileHandle, size: number): Promise<void> {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let rest: Buffer = Buffer.alloc(0);
    let position = this.#offset;
    while (position < size) {
      const { bytesRead } = await file.read(chunk, 0, Math.min(chunk.length, size - position), position);
      if (bytesRead === 0) break;
      position += bytesRead;
      const bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      const end = bytes.lastIndexOf(10) + 1;
      if (end > 0) this.#take(bytes, end);
      rest = bytes.subarray(end);
      if (rest.length > MAX_LINE_BYTES) {
        throw new Error(
          `line ${this.#lines + 1} is longer than ${MAX_LINE_BYTES} bytes; this is no file of JSON lines`,
        );
      }
    }
  }

  #take(bytes: Buffer, end: number): void {
    for (const line of bytes.toString('utf8', 0, end - 1).split('\n')) {
      this.#lines++;
      if (line === '') continue;
      let value: unknown;
      try {
        value = JSON.parse(line);
      } catch {
        this.#bad++;
        if (this.#problems.length < MAX_PROBLEMS) {
          this.#problems.push(`line ${this.#lines} is no JSON: ${line.slice(0, 60)}`);
        }
        continue;
      }
      this.#reader.line(value);
    }
    this.#offset += end;
    // A copy: a view would keep the whole chunk alive.
    const guard = Buffer.from(bytes.subarray(Math.max(0, end - GUARD_BYTES), end));
    this.#guard = guard;
  }
}
