/**
 * Reads a parquet file in a worker: what a damaged file asks for is bounded in time, whatever loop of the decoder it
 * would keep going. Node only.
 */
import { Worker } from 'node:worker_threads';
import type { ByteFile } from './bytes.ts';

/** Milliseconds that a request may compute for, and further ones for each byte that was read for it. */
const LIMIT = 2000;
const LIMIT_A_BYTE = 1000 / 2 ** 20;
/** Milliseconds in which the worker must have loaded its code and asked for something. */
const START_LIMIT = 30_000;

/** What a file says of itself. */
export interface ParquetContent {
  /** Names of the columns. */
  readonly columns: readonly string[];
  /** Rows of each row group. */
  readonly groups: readonly number[];
}

type Request = 'open' | { readonly rowStart: number; readonly rowEnd: number };

/** What the worker says: that it needs bytes, or how a request ended. */
interface Message {
  readonly slice?: { readonly number: number; readonly start: number; readonly end: number };
  readonly result?: unknown;
  readonly error?: string;
}

/** A request that took longer than it may. */
export class ParquetTimeout extends Error {
  override readonly name = 'ParquetTimeout';

  constructor(seconds: number) {
    super(`stopped after ${seconds} seconds: the file is damaged, or this machine too busy; try again`);
  }
}

/** One file and one column of it; requests one after the other. Close it in the end. */
export class ParquetReader {
  readonly #file: ByteFile;
  readonly #worker: Worker;
  #settle: { readonly resolve: (result: unknown) => void; readonly reject: (error: Error) => void } | null = null;
  /** Slices that the worker waits for: it computes nothing meanwhile. */
  #slices = 0;
  #limit = START_LIMIT;
  #timer: NodeJS.Timeout | undefined;
  #lastLook: NodeJS.Immediate | undefined;

  constructor(file: ByteFile, column: string) {
    this.#file = file;
    // The path is the same from `src` and from what is compiled.
    const code = new URL('../../src/sources/parquet-worker.mjs', import.meta.url);
    this.#worker = new Worker(code, { execArgv: [], workerData: { byteLength: file.byteLength, column } });
    this.#worker.on('message', (message: Message) => void this.#hear(message));
    this.#worker.on('error', (error) => this.#end(error));
  }

  /** @throws Error when it is no parquet file */
  async open(): Promise<ParquetContent> {
    return (await this.#ask('open')) as ParquetContent;
  }

  /** The column's values in some rows. @throws Error when they cannot be read */
  async read(rowStart: number, rowEnd: number): Promise<readonly unknown[]> {
    return (await this.#ask({ rowStart, rowEnd })) as readonly unknown[];
  }

  async close(): Promise<void> {
    this.#stopTimer();
    await this.#worker.terminate();
  }

  #ask(request: Request): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      if (request !== 'open') this.#limit = LIMIT;
      this.#tell({ request });
    });
  }

  #tell(message: object, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
    this.#stopTimer();
    if (this.#slices > 0) return;
    const seconds = Math.round(this.#limit / 1000);
    this.#timer = setTimeout(() => {
      // Where this thread was busy, an answer may lie there already: timers run before messages, and those before this.
      this.#lastLook = setImmediate(() => this.#end(new ParquetTimeout(seconds)));
    }, this.#limit);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#lastLook);
  }

  async #hear({ slice, result, error }: Message): Promise<void> {
    this.#stopTimer();
    if (slice === undefined) {
      if (error === undefined) this.#settle?.resolve(result);
      else this.#settle?.reject(new Error(error));
      return;
    }
    const { number, start, end } = slice;
    if (this.#limit === START_LIMIT) this.#limit = LIMIT;
    this.#slices++;
    try {
      const bytes = await this.#file.slice(start, end);
      this.#slices--;
      this.#limit += bytes.byteLength * LIMIT_A_BYTE;
      this.#tell({ number, bytes }, [bytes]);
    } catch (cause) {
      this.#slices--;
      // Not the worker's: what the file says of a failed read goes to whoever asked.
      this.#end(cause instanceof Error ? cause : new Error(String(cause)));
    }
  }

  #end(error: Error): void {
    this.#stopTimer();
    this.#settle?.reject(error);
    void this.#worker.terminate();
  }
}
