/** A server on this machine that speaks the parts of the hub's API in use, counts requests, and fails on purpose. */

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What goes wrong with one request for a file. */
export type Fault =
  | 'unavailable'
  | 'too many'
  | 'over the limit'
  | 'reset'
  | 'reset at the end'
  | 'truncated'
  | 'silent'
  | 'slow'
  | 'wrong range'
  | 'no range'
  | 'not found'
  | 'forbidden';

export interface HubServer {
  readonly endpoint: string;
  /** What is asked of the server from now on fails so, one request each; `null` lets one pass. */
  readonly faults: (Fault | null)[];
  /** Requests so far: `GET /path range`. */
  readonly requests: string[];
  /** The Authorization headers that the storage, another origin, was sent. */
  readonly storageTokens: (string | undefined)[];
  /** Bytes of files sent. */
  sent: number;
  close(): Promise<void>;
}

export interface HubDataset {
  readonly name: string;
  readonly commit: string;
  readonly cardData?: object;
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** The token without which the dataset cannot be seen. */
  readonly token?: string;
}

/** Entries on a page of a listing: few, so that listings have several. */
const PAGE = 2;

export async function startHubServer(dataset: HubDataset): Promise<HubServer> {
  const storage = createServer((request, response) => sendFile(request, response));
  const hub = createServer((request, response) => answer(request, response));
  const storageAddress = await listen(storage);
  const state: HubServer = {
    endpoint: await listen(hub),
    faults: [],
    requests: [],
    storageTokens: [],
    sent: 0,
    close: async () => {
      await Promise.all(
        [hub, storage].map((server) => new Promise((resolve) => server.close(resolve).closeAllConnections())),
      );
    },
  };
  return state;

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, 'http://hub');
    state.requests.push(`${url.pathname} ${request.headers.range ?? ''}`.trim());
    if (dataset.token !== undefined && request.headers.authorization !== `Bearer ${dataset.token}`) {
      json(response, 401, { error: 'Invalid credentials' });
      return;
    }
    const api = `/api/datasets/${dataset.name}`;
    const files = `/datasets/${dataset.name}/resolve/${dataset.commit}/`;
    if (url.pathname.startsWith(files)) {
      response.writeHead(302, { location: `${storageAddress}/${url.pathname.slice(files.length)}` }).end();
    } else if (url.pathname === `${api}/revision/main`) {
      if (!fail(response)) json(response, 200, { id: dataset.name, sha: dataset.commit, cardData: dataset.cardData });
    } else if (url.pathname.startsWith(`${api}/tree/${dataset.commit}`)) {
      if (!fail(response))
        list(url, response, decodeURIComponent(url.pathname.slice(`${api}/tree/${dataset.commit}/`.length)));
    } else {
      json(response, 404, { error: 'Repository not found' });
    }
  }

  function list(url: URL, response: ServerResponse, folder: string): void {
    const entries = Object.entries(dataset.files)
      .filter(([path]) => path.startsWith(folder === '' ? '' : `${folder}/`))
      .map(([path, bytes]) => ({ type: 'file', path, size: bytes.length, ...hashes(path, bytes) }));
    const from = Number(url.searchParams.get('cursor') ?? 0);
    if (from + PAGE < entries.length) {
      url.searchParams.set('cursor', String(from + PAGE));
      response.setHeader('link', `<${state.endpoint}${url.pathname}${url.search}>; rel="next"`);
    }
    json(response, 200, entries.slice(from, from + PAGE));
  }

  function sendFile(request: IncomingMessage, response: ServerResponse): void {
    state.storageTokens.push(request.headers.authorization);
    const bytes = dataset.files[decodeURIComponent(request.url!.slice(1))]!;
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range!)!;
    const part = bytes.subarray(Number(first), Number(last) + 1);
    const range = `bytes ${first}-${last}/${bytes.length}`;
    const half = part.subarray(0, Math.floor(part.length / 2));
    const send = (body: Uint8Array): void => {
      state.sent += body.length;
      response.write(body);
    };
    const fault = state.faults.shift() ?? null;
    if (fault === null) {
      response.writeHead(206, { 'content-range': range, 'content-length': part.length });
      send(part);
      response.end();
      return;
    }
    switch (fault) {
      case 'reset':
      case 'silent':
        response.writeHead(206, { 'content-range': range, 'content-length': part.length });
        send(half);
        if (fault === 'reset') {
          setTimeout(() => response.destroy(), 20);
        }
        return;
      case 'reset at the end':
        response.writeHead(206, { 'content-range': range });
        send(part);
        setTimeout(() => response.destroy(), 20);
        return;
      case 'slow': {
        response.writeHead(206, { 'content-range': range, 'content-length': part.length });
        const piece = Math.ceil(part.length / 5);
        for (let number = 0; number < 5; number++) {
          setTimeout(() => send(part.subarray(number * piece, (number + 1) * piece)), 400 * number);
        }
        return;
      }
      case 'truncated':
        // Chunked, so that only the number of bytes tells.
        response.writeHead(206, { 'content-range': range });
        send(half);
        response.end();
        return;
      case 'wrong range':
        response.writeHead(206, { 'content-range': `bytes 1-${part.length}/${bytes.length}` }).end(part);
        return;
      case 'no range':
        response.writeHead(200).end(bytes);
        return;
      default:
        refuse(response, fault);
    }
  }

  /** Fails the request if it is to fail with a status, and says whether it did. */
  function fail(response: ServerResponse): boolean {
    const fault = state.faults.shift() ?? null;
    return fault !== null && refuse(response, fault);
  }

  function refuse(response: ServerResponse, fault: Fault): true {
    const statuses: Partial<Record<Fault, number>> = {
      unavailable: 503,
      'too many': 429,
      'over the limit': 429,
      'not found': 404,
      forbidden: 403,
    };
    if (fault === 'too many') {
      response.setHeader('retry-after', '1');
    } else if (fault === 'over the limit') {
      response.setHeader('ratelimit', '"resolvers";r=0;t=1');
    }
    json(response, statuses[fault] ?? 500, { error: fault });
    return true;
  }
}

/** As the hub has them: large files are kept by their SHA-256, and Git's hash is that of a pointer to it. */
function hashes(path: string, bytes: Uint8Array): object {
  const oid = createHash('sha1').update(bytes).digest('hex');
  const lfs = { oid: createHash('sha256').update(bytes).digest('hex'), size: bytes.length, pointerSize: 130 };
  return path.endsWith('.parquet') ? { oid, lfs } : { oid };
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
