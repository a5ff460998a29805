/** Follows a file of JSON lines that another process appends to, reading every byte once. */
import type { FileHandle } from 'node:fs/promises';
import type { z } from 'zod';
import { hasCode } from './files.ts';
import { JsonLines } from './json-lines.ts';
import type { RunFiles } from './run-files.ts';

const CHUNK_BYTES = 2 ** 20;
/** A line that goes on for longer is no line that a trainer writes. */
const MAX_LINE_BYTES = 2 ** 22;
/** Bytes before the place reached that must still be there, or the file was cut back and written anew. */
const GUARD_BYTES = 256;

export interface LineReader<Line> {
  /** A whole line that is what it should be. */
  line(line: Line): void;
  /** The file starts anew: forget all lines. */
  reset(): void;
}

export class FollowedLines<Line> {
  readonly #files: RunFiles;
  readonly #path: string;
  readonly #reader: LineReader<Line>;
  readonly #lines: JsonLines<Line>;
  /** End of the last whole line. */
  #offset = 0;
  #guard: Buffer = Buffer.alloc(0);
  #seen = '';

  /** @param path of the file; it need not be there yet */
  constructor(files: RunFiles, path: string, schema: z.ZodType<Line>, reader: LineReader<Line>) {
    this.#files = files;
    this.#path = path;
    this.#reader = reader;
    this.#lines = new JsonLines(schema, (line) => reader.line(line));
  }

  /** Bytes read and understood so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Lines that were left out, a sentence each, the first few. */
  get problems(): readonly string[] {
    return this.#lines.problems;
  }

  /**
   * Reads what was appended since the last call; a last line without its end is left for later.
   *
   * @returns whether the file changed
   */
  async poll(): Promise<boolean> {
    let file: FileHandle;
    try {
      file = await this.#files.open(this.#path);
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
    this.#lines.reset();
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
          `line ${this.#lines.count + 1} is longer than ${MAX_LINE_BYTES} bytes; this is no file of JSON lines`,
        );
      }
    }
  }

  #take(bytes: Buffer, end: number): void {
    this.#lines.add(bytes.toString('utf8', 0, end - 1));
    this.#offset += end;
    // A copy: a view would keep the whole chunk alive.
    const guard = Buffer.from(bytes.subarray(Math.max(0, end - GUARD_BYTES), end));
    this.#guard = guard;
  }
}

/**
 * All lines of a file that are what they should be, and the others, a sentence each; none where there is no file. A
 * last line cut short, as of a run that is being written or was killed, is left out without a word.
 */
export async function readLines<Line>(
  files: RunFiles,
  path: string,
  schema: z.ZodType<Line>,
): Promise<{ readonly lines: readonly Line[]; readonly problems: readonly string[] }> {
  const lines: Line[] = [];
  const file = new FollowedLines(files, path, schema, {
    line: (line) => lines.push(line),
    reset: () => (lines.length = 0),
  });
  await file.poll();
  return { lines, problems: file.problems };
}
