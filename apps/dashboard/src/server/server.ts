/** The web server of the dashboard: the page, what it asks for, and nothing else. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { hasCode, messageOf } from '@lpr/runs';
import type { ApiError, LookRequest, NoteRequest, RouteRequest } from '../api.ts';
import { RunEvents } from './events.ts';
import { BusyError, ExploreError, RouterExplorer } from './explorer.ts';
import { type PageFile, pageFiles } from './page-files.ts';
import { PathError, ServedFolder } from './paths.ts';
import type { FollowedRun } from './run.ts';
import { RunStore } from './store.ts';

export interface ServeOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

export interface Dashboard {
  readonly url: string;
  /** Pages that listen for changes. */
  readonly listeners: () => number;
  /** Ends all connections and frees everything. */
  close(): Promise<void>;
}

/** Says no to a request, with a status and a sentence for the reader. */
class HttpError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** Addresses that the page itself answers; the rest of its files are by their names. */
const PAGES = ['/', '/run', '/compare', '/explore'];
/** Of a text to route, and of a note, whose every character may take six bytes. */
const MAX_BODY_BYTES = { route: 2 ** 16, note: 2 ** 20 };
const MAX_POINTS = 2000;
/** Series that are asked for in full at once. */
const MAX_NAMES = 16;

/** Half of the files that a process may often open; a page takes about six connections. Further ones are closed. */
const MOST_CONNECTIONS = 512;

/**
 * Serves the runs below a folder.
 *
 * @throws Error where there is no such folder, or the port is taken
 */
export async function serveDashboard(folder: string, options: ServeOptions): Promise<Dashboard> {
  const served = await ServedFolder.at(folder);
  const store = new RunStore(served, folder);
  const explorer = new RouterExplorer(served);
  const events = new RunEvents(store);
  const handler = new Handler({ served, store, explorer, events, files: await pageFiles(), host: options.host });
  const server = createServer((request, response) => void handler.handle(request, response));
  server.maxConnections = MOST_CONNECTIONS;
  await listen(server, options);
  await store.discover();
  // What a page will ask for first is read by the time that it is opened.
  void store.poll(() => {});
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}/`,
    listeners: () => events.clients,
    close: async () => {
      events.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await explorer.close();
    },
  };
}

function listen(server: Server, { host, port }: ServeOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

interface Parts {
  readonly served: ServedFolder;
  readonly store: RunStore;
  readonly explorer: RouterExplorer;
  readonly events: RunEvents;
  readonly files: ReadonlyMap<string, PageFile>;
  readonly host: string;
}

class Handler {
  readonly #parts: Parts;
  /** What is done with what the page sends, by path. */
  readonly #takers: Readonly<Record<string, (request: IncomingMessage) => Promise<unknown>>> = {
    '/api/route': (request) => this.#route(request),
    '/api/look': (request) => this.#look(request),
    '/api/note': (request) => this.#note(request),
  };

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    try {
      checkHost(request, this.#parts.host);
      await this.#answer(request, response);
    } catch (error) {
      const status = statusOf(error);
      if (response.headersSent) response.destroy();
      else if (!response.destroyed) sendJson(response, { error: messageOf(error) } satisfies ApiError, status);
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    const written = `http://page${url}`;
    if (!url.startsWith('/') || !URL.canParse(written)) throw new HttpError(400, 'the address is no path');
    const { pathname, searchParams: query } = new URL(written);
    const taking = this.#takers[pathname];
    if (taking !== undefined) {
      if (method !== 'POST') throw new HttpError(405, `what ${pathname} takes is sent with POST`);
      return sendJson(response, await taking(request));
    }
    if (method !== 'GET' && method !== 'HEAD') throw new HttpError(405, `${method} does nothing here; use GET`);
    switch (pathname) {
      case '/api/runs':
        return sendJson(response, this.#parts.store.list());
      case '/api/settings':
        return sendJson(response, this.#parts.store.settings());
      case '/api/events':
        return this.#parts.events.add(request, response);
      case '/api/run':
        return sendJson(response, await (await this.#run(query)).details());
      case '/api/series':
        return sendJson(
          response,
          (await this.#run(query)).series(
            integer(query, 'points', 1, MAX_POINTS, 1000),
            numberIn(query, 'from', -Infinity),
          ),
        );
      case '/api/exact-series':
        return sendJson(response, (await this.#run(query)).exactSeries(namesIn(query), numberIn(query, 'from', 0)));
      case '/api/loads':
        return sendBytes(response, 'application/octet-stream', await this.#loads(query));
      case '/api/expert':
        return sendJson(response, await this.#life(query));
      case '/api/trace':
        return await this.#trace(query, response);
      case '/api/file':
        return await this.#download(query, response);
      default:
        return this.#page(pathname, response);
    }
  }

  async #route(request: IncomingMessage): Promise<unknown> {
    const { run, text } = await sentBody<RouteRequest>(request, MAX_BODY_BYTES.route);
    if (typeof run !== 'string' || typeof text !== 'string') throw new HttpError(400, 'the body needs run and text');
    if ((await this.#parts.store.run(run)) === undefined) throw new HttpError(404, noRun(run));
    return await this.#parts.explorer.route(run, text);
  }

  async #look(request: IncomingMessage): Promise<unknown> {
    const body = await sentBody<LookRequest>(request, MAX_BODY_BYTES.route);
    const { run: id, text, layer, token, expert } = body;
    if (typeof id !== 'string' || typeof text !== 'string' || ![layer, token, expert].every(Number.isInteger)) {
      throw new HttpError(400, 'the body needs run, text, and layer, token and expert as whole numbers');
    }
    const run = await this.#parts.store.run(id);
    if (run === undefined) throw new HttpError(404, noRun(id));
    return await this.#parts.explorer.look(body as unknown as LookRequest, run.byAngle);
  }

  async #life(query: URLSearchParams): Promise<unknown> {
    const run = await this.#run(query);
    const place = { layer: integer(query, 'layer', 0, 2 ** 16, 0), expert: integer(query, 'expert', 0, 2 ** 16, 0) };
    return await run.expertLife(place, (ids) => this.#parts.explorer.textsOf(run.id, ids));
  }

  /** The one thing that requests change: what people wrote of a run. */
  async #note(request: IncomingMessage): Promise<unknown> {
    const { run: id, note } = await sentBody<NoteRequest>(request, MAX_BODY_BYTES.note);
    if (typeof id !== 'string') throw new HttpError(400, 'the body needs run and note');
    const run = await this.#parts.store.run(id);
    if (run === undefined) throw new HttpError(404, noRun(id));
    return await run.writeNote(note);
  }

  async #run(query: URLSearchParams): Promise<FollowedRun> {
    const id = query.get('run') ?? '';
    const run = await this.#parts.store.run(id);
    if (run === undefined) throw new HttpError(404, noRun(id));
    return run;
  }

  async #loads(query: URLSearchParams): Promise<Uint8Array> {
    const run = await this.#run(query);
    const from = integer(query, 'from', 0, 2 ** 32, 0);
    const to = integer(query, 'to', 0, 2 ** 32, from);
    const points = integer(query, 'points', 1, MAX_POINTS, 1);
    const layer = query.has('layer') ? { layer: integer(query, 'layer', 0, 2 ** 32, 0) } : {};
    try {
      return await run.windows({ from, to, points, ...layer });
    } catch (error) {
      // What the file holds is no loads; where it cannot be read or has no such windows, errors are of other kinds.
      if (statusOf(error) !== 500 || !(error instanceof Error) || error.constructor !== Error) throw error;
      throw new HttpError(422, error.message);
    }
  }

  async #trace(query: URLSearchParams, response: ServerResponse): Promise<void> {
    const run = await this.#run(query);
    await this.#send(run.trace(integer(query, 'step', 0, Number.MAX_SAFE_INTEGER, 0)), response);
  }

  async #download(query: URLSearchParams, response: ServerResponse): Promise<void> {
    const run = await this.#run(query);
    const name = query.get('name') ?? '';
    const path = run.download(name);
    if (path === undefined) throw new HttpError(404, `a run has no file ${JSON.stringify(name)} to download`);
    response.setHeader('content-disposition', `attachment; filename="${name}"`);
    await this.#send(path, response);
  }

  /** Sends a file of the served folder as bytes that no browser takes for anything else. */
  async #send(path: string, response: ServerResponse): Promise<void> {
    const file = await this.#parts.served.open(path);
    // Only what is there now: of a file that grows, the length that was promised.
    const { size } = await file.stat();
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-length': size,
      'cache-control': 'no-store',
    });
    if (size === 0 || response.req.method === 'HEAD') {
      await file.close();
      response.end();
      return;
    }
    await pipeline(file.createReadStream({ start: 0, end: size - 1 }), response);
  }

  #page(pathname: string, response: ServerResponse): void {
    const name = PAGES.includes(pathname) ? 'index.html' : pathname.slice(1);
    const file = this.#parts.files.get(name);
    if (file === undefined) throw new HttpError(404, `nothing is at ${pathname}`);
    sendBytes(response, file.type, file.content, file.type.startsWith('font/') ? 'max-age=86400' : 'no-cache');
  }
}

/**
 * A page of another site may point its own name at this machine (DNS rebinding) to read what is served here; its
 * requests carry that name. Addresses and localhost cannot be pointed elsewhere.
 */
function checkHost(request: IncomingMessage, served: string): void {
  const { host = '' } = request.headers;
  const name = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(host);
  const hostname = (name?.[1] ?? name?.[2] ?? '').toLowerCase();
  if (hostname === 'localhost' || isIP(hostname) !== 0 || hostname === served.toLowerCase()) return;
  throw new HttpError(403, `this dashboard does not answer to the name ${JSON.stringify(host)}; open it as localhost`);
}

function statusOf(error: unknown): number {
  if (error instanceof HttpError) return error.status;
  if (error instanceof RangeError) return 400;
  if (error instanceof PathError) return 403;
  if (error instanceof ExploreError) return 422;
  if (error instanceof BusyError) return 429;
  if (hasCode(error, 'ENOENT')) return 404;
  if (hasCode(error, 'ELOOP')) return 403;
  return 500;
}

function noRun(id: string): string {
  return `there is no run ${JSON.stringify(id)} in this folder`;
}

function integer(query: URLSearchParams, name: string, minimum: number, maximum: number, otherwise: number): number {
  const value = numberIn(query, name, otherwise);
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
  throw new HttpError(400, `${name} is ${query.get(name)}; it must be a whole number from ${minimum} to ${maximum}`);
}

/** Names of series, separated by commas. @throws HttpError for none, or more than anybody draws */
function namesIn(query: URLSearchParams): readonly string[] {
  const names = (query.get('names') ?? '').split(',').filter((name) => name !== '');
  if (names.length === 0 || names.length > MAX_NAMES) {
    throw new HttpError(400, `names must be 1 to ${MAX_NAMES} series, separated by commas; it has ${names.length}`);
  }
  return names;
}

function numberIn(query: URLSearchParams, name: string, otherwise: number): number {
  const text = query.get(name);
  if (text === null) return otherwise;
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value)) throw new HttpError(400, `${name} is ${text}; it must be a number`);
  return value;
}

/** The JSON that the page itself sent, not checked. @throws HttpError for another page or body, and for a large one */
async function sentBody<Body>(request: IncomingMessage, most: number): Promise<Partial<Record<keyof Body, unknown>>> {
  const { origin, host } = request.headers;
  if (origin !== undefined && origin !== `http://${host}`)
    throw new HttpError(403, 'what is sent must come from the page itself');
  // Another page may not send this type without asking first, and it is not told yes.
  if (request.headers['content-type'] !== 'application/json') throw new HttpError(415, 'the body must be JSON');
  return (parseJson(await bodyOf(request, most)) as Partial<Record<keyof Body, unknown>> | null) ?? {};
}

async function bodyOf(request: IncomingMessage, most: number): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > most) throw new HttpError(413, `the body is longer than ${most} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpError(400, 'the body is no JSON');
  }
}

function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  sendBytes(response, 'application/json', Buffer.from(JSON.stringify(value)), 'no-store', status);
}

function sendBytes(
  response: ServerResponse,
  type: string,
  content: Uint8Array,
  cache: string = 'no-store',
  status: number = 200,
): void {
  response.writeHead(status, { 'content-type': type, 'content-length': content.length, 'cache-control': cache });
  response.end(response.req.method === 'HEAD' ? undefined : content);
}
