/**
 * Datasets of the Hugging Face hub as a source: parquet and JSON lines, streamed by ranges of bytes, never downloaded
 * whole. Node only.
 */

import { createHash } from 'node:crypto';
import type { HubApiError, ListFileEntry } from '@huggingface/hub';
import { CACHE_FORMAT, cached } from '../cache.ts';
import { namesText } from '../excerpt.ts';
import type { ByteFile } from './bytes.ts';
import { findDataFiles } from './hub-card.ts';
import { type Glob, matchingPaths, parseGlobs } from './hub-globs.ts';
import { type HttpOptions, persistentFetch, readRange } from './http.ts';
import { JSON_LINES, jsonLinesFile } from './jsonl.ts';
import { hubNames } from './names.ts';
import { parquetFile } from './parquet.ts';
import { cachedFile } from './shard-cache.ts';
import { sharesOf, type Source, type SourceFile } from './source.ts';
import type { HubSpec } from './spec.ts';

/** Where the hub is and how it is asked. */
export interface HubAccess extends HttpOptions {
  /** Default: what the environment has as `HF_ENDPOINT`, or `https://huggingface.co`. */
  readonly endpoint?: string | undefined;
  /** Default: what the environment has as `HF_TOKEN`, if anything. */
  readonly token?: string | undefined;
}

/** A dataset's files at one commit. */
interface Listing {
  readonly commit: string;
  readonly files: readonly ListedFile[];
}

interface ListedFile {
  readonly path: string;
  readonly size: number;
  /** The hub's own hash of what is in it. */
  readonly content: string;
}

/**
 * Opens a dataset of the hub.
 *
 * With a cache the list of files, and each shard's text once it was read, are kept. So a second start asks the network
 * for nothing, and what a branch held at the first start stays what it is read as.
 *
 * @throws Error naming the dataset, configuration, split or file that is missing, and what there is instead
 */
export async function openHub(
  spec: HubSpec,
  {
    access = {},
    cacheDirectory,
  }: { readonly access?: HubAccess | undefined; readonly cacheDirectory?: string | undefined } = {},
): Promise<Source> {
  const endpoint = (access.endpoint ?? (process.env['HF_ENDPOINT'] || 'https://huggingface.co')).replace(/\/+$/, '');
  const token = access.token ?? (process.env['HF_TOKEN'] || undefined);
  const http = { ...access, token };
  const list = (): Promise<Listing> => listDataset(spec, endpoint, http);
  const { commit, files } =
    cacheDirectory === undefined ? await list() : await cachedListing(spec, cacheDirectory, list);

  const open = ({ path, size, content }: ListedFile): SourceFile => {
    const escaped = path.split('/').map(encodeURIComponent).join('/');
    const address = `${endpoint}/datasets/${spec.dataset}/resolve/${commit}/${escaped}`;
    const file: ByteFile = {
      name: `${spec.dataset}/${path}`,
      byteLength: size,
      content: () => Promise.resolve(content),
      slice: async (start, end = size) => (end > start ? readRange(address, start, end, http) : new ArrayBuffer(0)),
    };
    const column = spec.column ?? 'text';
    const read = path.endsWith('.parquet') ? parquetFile(file, column) : jsonLinesFile(file, column);
    return cacheDirectory === undefined ? read : cachedFile(read, cacheDirectory);
  };
  return {
    ...sharesOf(spec),
    names: spec.domain === undefined ? hubNames(spec) : [spec.domain],
    splitBy: 'rank',
    files: files.map(open),
  };
}

async function cachedListing(spec: HubSpec, cacheDirectory: string, list: () => Promise<Listing>): Promise<Listing> {
  const { dataset, revision, config, split, paths } = spec;
  const asked = { CACHE_FORMAT, dataset, revision, config, split, paths };
  const key = createHash('sha256').update(JSON.stringify(asked)).digest('hex');
  const bytes = await cached(cacheDirectory, `listing-${key}`, async () =>
    new TextEncoder().encode(JSON.stringify(await list())),
  );
  return JSON.parse(new TextDecoder().decode(bytes));
}

async function listDataset(spec: HubSpec, endpoint: string, http: HttpOptions): Promise<Listing> {
  const { dataset, revision = 'main' } = spec;
  const api = {
    hubUrl: endpoint,
    fetch: persistentFetch(http),
    ...(http.token === undefined ? {} : { accessToken: http.token }),
  };
  // Loaded here, not at the top: users of other sources need not wait for it.
  const hub = await import('@huggingface/hub');
  const files: ListedFile[] = [];
  let commit: string;
  let globs: readonly Glob[];
  try {
    const info = await hub.datasetInfo({ ...api, name: dataset, revision, additionalFields: ['sha', 'cardData'] });
    commit = info.sha;
    globs = parseGlobs(dataset, spec.paths ?? findDataFiles(spec, info.cardData));
    for (const path of new Set(globs.map(({ folder }) => folder))) {
      const repo = { type: 'dataset', name: dataset } as const;
      for await (const file of hub.listFiles({ ...api, repo, path, revision: commit, recursive: true })) {
        if (file.type === 'file' && (file.path.endsWith('.parquet') || JSON_LINES.test(file.path))) {
          files.push({ path: file.path, size: file.size, content: contentOf(file, commit) });
        }
      }
    }
  } catch (error) {
    throw error instanceof hub.HubApiError ? explain(error, spec, endpoint) : error;
  }
  const unique = new Map(files.map((file) => [file.path, file]));
  const chosen = [...matchingPaths(dataset, globs, [...unique.keys()])].toSorted().map((path) => unique.get(path)!);
  if (chosen.length === 0) {
    const patterns = namesText(globs.map(({ pattern }) => pattern));
    throw new Error(
      `hub: ${dataset} at ${revision} has no parquet or JSON lines file that matches ${patterns}. ` +
        'Look at its files on the hub and name them by "paths".',
    );
  }
  return { commit, files: chosen };
}

/** Large files have a SHA-256, as local ones do; small ones the hash that Git gives them. */
function contentOf({ path, oid, lfs }: Pick<ListFileEntry, 'path' | 'oid' | 'lfs'>, commit: string): string {
  return lfs === undefined ? (oid === undefined ? `path:${commit}/${path}` : `git:${oid}`) : `sha256:${lfs.oid}`;
}

function explain(error: HubApiError, { dataset, revision = 'main' }: HubSpec, endpoint: string): Error {
  const { statusCode } = error;
  const reasons: Record<number, string> = {
    401: 'It does not exist, or is private: set HF_TOKEN to a token that may read it.',
    403: 'It is gated: accept its conditions on the hub, then set HF_TOKEN to your token.',
    404: 'Check its name, which is owner/name, its revision and its paths.',
  };
  return new Error(
    `hub: cannot read ${dataset} at ${revision} from ${endpoint}: the server answered ${statusCode}. ` +
      (reasons[statusCode] ?? error.message),
    { cause: error },
  );
}
