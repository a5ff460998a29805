/** Asks the server, and keeps showing the last answer while the next one comes. */
import { decodeLoads, decodeTrace, type LoadFile, type RoutingTrace } from '@lpr/metrics';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ApiError, SeriesFile } from '../src/api.ts';

export interface Fetched<T> {
  readonly data: T | undefined;
  /** Why the newest answer is missing. */
  readonly error: string | undefined;
}

/** An address below `/api` with a query. */
export function api(path: string, query: Readonly<Record<string, string | number>>): string {
  const text = Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]);
  return `/api/${path}?${new URLSearchParams(text)}`;
}

/**
 * The JSON at an address. Of one that changes, the old answer is forgotten; of `version`, it stays until the new one is
 * there.
 */
export function useJson<T>(url: string | null, version?: unknown): Fetched<T> {
  return useAnswer(url, version, async (address) => (await (await get(address)).json()) as T);
}

/** The JSON at several addresses, as `useJson`; the list of them must not change while the component lives. */
export function useAll<T>(urls: readonly string[], versions: readonly unknown[]): readonly Fetched<T>[] {
  return urls.map((url, i) => useJson<T>(url, versions[i]));
}

/** The loads at an address; as `useJson`. `keep` shows the old ones also while the address changes. */
export function useLoads(url: string | null, version?: unknown, keep = false): Fetched<LoadFile> {
  return useAnswer(url, version, async (address) => decodeLoads(await bytesAt(address)), keep);
}

/** The routing traces at some addresses, in their order; as `useJson`. */
export function useTraces(urls: readonly string[]): Fetched<readonly RoutingTrace[]> {
  return useAnswer(urls.length === 0 ? null : urls.join(' '), undefined, async () =>
    Promise.all(urls.map(async (url) => decodeTrace(await bytesAt(url)))),
  );
}

/** Every value of some series of a run, for tables to take away. */
export async function exactSeries(run: string, names: readonly string[], from: number = 0): Promise<SeriesFile> {
  return (await (await get(api('exact-series', { run, names: names.join(','), from }))).json()) as SeriesFile;
}

/** Sends JSON, and gives the JSON that comes back. @throws Error with what the server says is wrong */
export async function postJson<T>(url: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });
  await check(response);
  return (await response.json()) as T;
}

/** What a request was answered. */
export interface Posted<Request, T> extends Fetched<T> {
  /** What `data` answers, which stays until the next answer is there. */
  readonly request: Request | undefined;
}

/** Between two requests of one part of a page: a reader who goes through tokens with a key held down asks once. */
const PAUSE_MS = 80;

/** The JSON that comes back for what is sent, again whenever that is another one, or `version`. */
export function usePosted<T, Request = unknown>(
  url: string,
  request: Request | null,
  version?: unknown,
): Posted<Request, T> {
  const [shown, show] = useState<Posted<Request, T>>({ request: undefined, data: undefined, error: undefined });
  const key = request === null ? null : JSON.stringify(request);
  useEffect(() => {
    if (request === null) return undefined;
    const asking = new AbortController();
    const { signal } = asking;
    const waiting = setTimeout(() => {
      postJson<T>(url, request, signal).then(
        (data) => show({ request, data, error: undefined }),
        (problem: unknown) => {
          if (!signal.aborted)
            show((before) => ({ ...before, error: problem instanceof Error ? problem.message : String(problem) }));
        },
      );
    }, PAUSE_MS);
    return () => {
      clearTimeout(waiting);
      asking.abort();
    };
  }, [url, key, version]);
  return shown;
}

function useAnswer<T>(
  url: string | null,
  version: unknown,
  read: (url: string) => Promise<T>,
  keep = false,
): Fetched<T> {
  const [shown, show] = useState<Fetched<T> & { readonly url: string | null }>({
    url: null,
    data: undefined,
    error: undefined,
  });
  const flight = useRef<{ readonly url: string; stale: boolean } | null>(null);
  useEffect(() => {
    if (url === null) return;
    // Of the versions that come while one is under way, the newest is enough.
    if (flight.current?.url === url) {
      flight.current.stale = true;
      return;
    }
    const own = { url, stale: false };
    flight.current = own;
    const wanted = (): boolean => flight.current === own;
    void (async () => {
      do {
        own.stale = false;
        try {
          const data = await read(url);
          if (wanted()) show({ url, data, error: undefined });
        } catch (error) {
          const message = error instanceof Error ? error.message : String(error);
          if (wanted()) show((before) => ({ url, data: before.url === url ? before.data : undefined, error: message }));
        }
      } while (wanted() && own.stale);
      if (wanted()) flight.current = null;
    })();
  }, [url, version]);
  useEffect(
    () => () => {
      flight.current = null;
    },
    [],
  );
  return keep || shown.url === url ? shown : { data: undefined, error: undefined };
}

async function get(url: string): Promise<Response> {
  const response = await fetch(url);
  await check(response);
  return response;
}

async function bytesAt(url: string): Promise<Uint8Array> {
  return new Uint8Array(await (await get(url)).arrayBuffer());
}

async function check(response: Response): Promise<void> {
  if (response.ok) return;
  const { error } = (await response.json().catch(() => ({ error: response.statusText }))) as ApiError;
  throw new Error(error);
}
