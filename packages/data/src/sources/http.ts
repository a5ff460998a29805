/**
 * Requests that outlast faults of the network: repeated after growing, jittered pauses, and ranges of bytes that go on
 * where they broke off.
 */

import { setTimeout as sleep } from 'node:timers/promises';

export interface HttpOptions {
  /** Sent as a bearer token, to the server asked but not where that redirects to. */
  readonly token?: string | undefined;
  /** Failures in a row, none bringing a byte, after which to give up. Default 8. */
  readonly attempts?: number | undefined;
  /** Milliseconds of the first pause; each further one is twice as long. Default 500. */
  readonly firstPause?: number | undefined;
  /** Milliseconds without a byte after which a request counts as failed. Default 30,000. */
  readonly idleTimeout?: number | undefined;
}

/** No pause of our own is longer, in milliseconds. */
const LONGEST_BACKOFF = 60_000;
/** Nor any that a server asks for; the hub counts requests over five minutes. */
const LONGEST_PAUSE = 600_000;

/** A failure that may pass. */
class Fault extends Error {
  /** How long the server asks to wait, in milliseconds. */
  readonly pause: number;
  constructor(message: string, pause = 0, options: ErrorOptions = {}) {
    super(message, options);
    this.pause = pause;
  }
}

/**
 * `fetch` that repeats what fails for a reason that may pass, the body included, which is whole in the response it
 * gives. Responses such as 404 come back as they are.
 */
export function persistentFetch(options: HttpOptions): typeof fetch {
  return (input, init) => {
    const address = input instanceof Request ? input.url : String(input);
    return persist(address, options, async () => {
      const { response, chunks } = await request(address, init ?? {}, options);
      const parts: Uint8Array[] = [];
      for await (const chunk of chunks) {
        parts.push(chunk);
      }
      const { status, statusText, headers } = response;
      return new Response(Buffer.concat(parts), { status, statusText, headers });
    });
  };
}

/**
 * Reads a range of bytes of a file.
 *
 * @param end the first byte that is not read any more; greater than `start`
 * @throws Error naming the address, the last failure and what to do about it
 */
export async function readRange(
  address: string,
  start: number,
  end: number,
  options: HttpOptions = {},
): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(end - start);
  let received = 0;
  const authorization = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
  await persist(
    address,
    options,
    async () => {
      // Where all had come before the connection broke there is nothing left to ask for.
      if (received === bytes.length) {
        return;
      }
      const range = `bytes=${start + received}-${end - 1}`;
      const { chunks } = await request(address, { headers: { ...authorization, range } }, options, (response) =>
        checkRange(response, address, start + received),
      );
      for await (const chunk of chunks) {
        if (received + chunk.length > bytes.length) {
          throw new Fault(`the server sent more bytes than the ${bytes.length} asked for`);
        }
        bytes.set(chunk, received);
        received += chunk.length;
      }
      if (received < bytes.length) {
        throw new Fault(`the answer ended after ${received} of ${bytes.length} bytes`);
      }
    },
    () => received,
  );
  return bytes.buffer;
}

/** Repeats an attempt until it succeeds; failures count anew whenever `progress` has grown. */
async function persist<T>(
  address: string,
  { attempts = 8, firstPause = 500 }: HttpOptions,
  attempt: () => Promise<T>,
  progress: () => number = () => 0,
): Promise<T> {
  let failures = 0;
  for (let reached = progress(); ; ) {
    try {
      return await attempt();
    } catch (fault) {
      if (!(fault instanceof Fault)) {
        throw fault;
      }
      failures = progress() > reached ? 1 : failures + 1;
      reached = progress();
      if (failures >= attempts) {
        throw new Error(
          `cannot read ${address}: ${fault.message} (${failures} attempts). ` +
            'Check the network and start again: what has been read is kept where there is a cache.',
          { cause: fault },
        );
      }
      const backoff = firstPause * 2 ** (failures - 1) * (0.5 + Math.random());
      await sleep(Math.max(Math.min(backoff, LONGEST_BACKOFF), Math.min(fault.pause, LONGEST_PAUSE)));
    }
  }
}

/**
 * One request; its failures, and those of its body, that may pass are `Fault`s.
 *
 * @param check throws if the response is not what was asked for
 */
async function request(
  address: string,
  init: RequestInit,
  { idleTimeout = 30_000 }: HttpOptions,
  check: (response: Response) => void = () => {},
): Promise<{ readonly response: Response; readonly chunks: AsyncGenerator<Uint8Array> }> {
  const controller = new AbortController();
  const abort = (): void => controller.abort(new Fault(`no byte came for ${idleTimeout / 1000} seconds`));
  const idle = setTimeout(abort, idleTimeout);
  let response: Response;
  try {
    response = await fetch(address, { ...init, signal: controller.signal });
  } catch (cause) {
    clearTimeout(idle);
    throw asFault(cause);
  }
  try {
    if (response.status === 408 || response.status === 429 || response.status >= 500) {
      throw new Fault(`the server answered ${response.status}`, retryAfter(response));
    }
    check(response);
  } catch (error) {
    clearTimeout(idle);
    controller.abort();
    throw error;
  }
  return { response, chunks: readBody() };

  async function* readBody(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of response.body ?? []) {
        idle.refresh();
        yield chunk;
      }
    } catch (cause) {
      throw asFault(cause);
    } finally {
      clearTimeout(idle);
      controller.abort();
    }
  }
}

function asFault(cause: unknown): Fault {
  if (cause instanceof Fault) {
    return cause;
  }
  const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  return new Fault(reason instanceof Error ? reason.message : String(reason), 0, { cause });
}

/**
 * Milliseconds that the server asks to wait: its `Retry-After` header, in seconds or as a date, or as the hub has it,
 * the seconds `t` until `RateLimit` starts anew.
 */
function retryAfter({ headers }: Response): number {
  const value = headers.get('retry-after') ?? /\bt=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1];
  if (value === undefined) {
    return 0;
  }
  const seconds = Number(value);
  const pause = Number.isNaN(seconds) ? Date.parse(value) - Date.now() : seconds * 1000;
  return Number.isNaN(pause) ? 0 : Math.max(pause, 0);
}

function checkRange(response: Response, address: string, start: number): void {
  const { status, headers } = response;
  if (status === 401 || status === 403) {
    throw new Error(
      `cannot read ${address}: the server answered ${status}. It may be private or gated: ` +
        'set HF_TOKEN to a token that may read it.',
    );
  }
  if (status === 200) {
    throw new Error(`cannot read ${address}: the server does not send ranges of a file. Use another HF_ENDPOINT.`);
  }
  if (status !== 206) {
    throw new Error(`cannot read ${address}: the server answered ${status}. Check dataset, revision and path.`);
  }
  const range = headers.get('content-range') ?? 'none';
  if (!range.startsWith(`bytes ${start}-`)) {
    throw new Fault(`the server sent the range ${range}, asked was from byte ${start}`);
  }
}
