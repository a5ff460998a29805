/** A model in a worker, as the page sees it. */
import type { Answer, Opened, Opening, Request, Stepped } from './messages.ts';
import type { Look } from './training.ts';

/** What of a worker is used. */
export interface WorkerPort {
  postMessage(request: Request): void;
  terminate(): void;
  onmessage: ((event: { readonly data: Answer }) => void) | null;
  onerror: ((event: { readonly message?: string }) => void) | null;
}

/** What went wrong in a worker; `kind` is the name of the error there. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError';
  readonly kind: string;

  constructor(kind: string, message: string) {
    super(message);
    this.kind = kind;
  }
}

type Waiting = { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void };

export class RemoteTraining {
  readonly #worker: WorkerPort;
  /** In the order of the requests, which is that of the answers. */
  readonly #waiting: Waiting[] = [];
  #broken: Error | null = null;

  constructor(worker: WorkerPort) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => {
      const { resolve, reject } = this.#waiting.shift()!;
      if (data.kind === 'failed') reject(new RemoteError(data.name, data.message));
      else resolve(data);
    };
    worker.onerror = ({ message }) => this.#fail(new RemoteError('WorkerError', message ?? 'it could not be loaded'));
  }

  async open(opening: Opening): Promise<Opened> {
    return (await this.#ask({ kind: 'open', ...opening })) as Opened & Answer;
  }

  async step(sample: string | null): Promise<Stepped> {
    return (await this.#ask({ kind: 'step', sample })) as Stepped & Answer;
  }

  async look(sample: string): Promise<Look> {
    return ((await this.#ask({ kind: 'look', sample })) as Answer & { readonly kind: 'looked' }).look;
  }

  /** Ends the worker; what it has not answered yet fails. */
  close(): void {
    this.#worker.terminate();
    this.#fail(new RemoteError('Closed', 'the worker has been ended'));
  }

  #ask(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#broken !== null) {
        reject(this.#broken);
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(request);
    });
  }

  #fail(error: Error): void {
    this.#broken = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
