/** Tells open pages what changed, as server-sent events. Files are looked at only while somebody listens. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RunList } from '../api.ts';
import type { RunStore } from './store.ts';

/** Between two looks at the files; a look that takes long makes the pause longer. */
const PAUSE_MS = 500;
/** Proxies and browsers give up connections on which nothing is said. */
const HEARTBEAT_MS = 15_000;
/** A client that reads so little that this much waits for it is cut off; its page connects again. */
const MAX_WAITING_BYTES = 2 ** 22;

export class RunEvents {
  readonly #store: RunStore;
  readonly #clients = new Set<ServerResponse>();
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(store: RunStore) {
    this.#store = store;
  }

  /** Pages that listen. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Keeps the response open and sends the runs, then every change, until the page goes away. */
  add(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    // Who wants no body is told nothing.
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    response.write(`retry: 2000\n\n${message(this.#store.list())}`);
    this.#clients.add(response);
    const heartbeat = setInterval(() => response.write(':\n\n'), HEARTBEAT_MS);
    const end = (): void => {
      clearInterval(heartbeat);
      this.#clients.delete(response);
    };
    request.on('close', end);
    response.on('close', end);
    if (this.#timer === null) this.#plan(0);
  }

  /** Ends all connections and looks no more. */
  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const client of this.#clients) client.end();
  }

  #plan(pause: number): void {
    this.#timer = setTimeout(() => void this.#look(), pause);
  }

  async #look(): Promise<void> {
    const start = performance.now();
    try {
      await this.#store.poll((list) => this.#send(message(list)));
    } catch (error) {
      this.#send(`event: trouble\ndata: ${JSON.stringify({ error: String(error) })}\n\n`);
    }
    if (this.#clients.size > 0 && !this.#closed) this.#plan(Math.max(PAUSE_MS, performance.now() - start));
    else this.#timer = null;
  }

  #send(text: string): void {
    for (const client of this.#clients) {
      if (client.writableLength > MAX_WAITING_BYTES) client.destroy();
      else client.write(text);
    }
  }
}

function message(list: RunList): string {
  return `event: runs\ndata: ${JSON.stringify(list)}\n\n`;
}
