/**
 * From sources to token streams in one call: split, get the tokenizer (trained on the training part), encode, pack.
 * What takes long is kept in a cache if one is given. Node only.
 */

import { createHash } from 'node:crypto';
import type { TokenStream } from './batches.ts';
import { cached } from './cache.ts';
import { chooseHeldOut, holdOutByPlace, type SplitOptions } from './documents.ts';
import { CACHE_FORMAT, encodeSource } from './encoding.ts';
import { packTokens } from './packing.ts';
import type { HubAccess } from './sources/hub.ts';
import { openSource } from './sources/open.ts';
import type { Source } from './sources/source.ts';
import type { SourceSpec } from './sources/spec.ts';
import { type BpeTrainingProgress, trainBpe, WordCounts } from './tokenizers/bpe-trainer.ts';
import { ByteTokenizer } from './tokenizers/bytes.ts';
import { loadQwenTokenizer, loadTokenizer, parseTokenizer } from './tokenizers/load.ts';
import type { Tokenizer } from './tokenizers/tokenizer.ts';

/**
 * Which tokenizer: bytes; byte-level BPE of so many tokens, trained on the training part; the `tokenizer.json` at a
 * path (or in a model's folder); Qwen3's.
 */
export type TokenizerSpec = 'bytes' | 'qwen3' | { readonly vocabularySize: number } | { readonly path: string };

export interface PrepareOptions extends SplitOptions {
  /** What to read: specs, as a configuration has them, or sources already open. */
  readonly sources: readonly (SourceSpec | Source)[];
  readonly tokenizer: TokenizerSpec | Tokenizer;
  /** How to reach the hub, where the environment does not say it. */
  readonly hub?: HubAccess;
  /**
   * Where the trained tokenizer, the encoded shards and what comes from the hub are kept; nothing is kept without it.
   */
  readonly cacheDirectory?: string;
  /** Told what is being done; not called for what the cache has. */
  readonly onProgress?: (progress: PrepareProgress) => void;
}

/** Training of the tokenizer, then encoding, source by source. A total that is not known before the end is null. */
export type PrepareProgress =
  | BpeTrainingProgress
  | { readonly phase: 'counting'; readonly completed: number; readonly total: null }
  | {
      readonly phase: 'encoding';
      readonly domain: string;
      /** Tokens so far. */
      readonly completed: number;
      readonly total: number | null;
    };

export interface PreparedTokens {
  readonly tokenizer: Tokenizer;
  /** The training documents, a stream for each source, to be mixed by `BatchStream`. */
  readonly training: readonly TokenStream[];
  /** The held-out documents, a stream for each domain; empty when nothing is held out. */
  readonly heldOut: readonly TokenStream[];
}

/** Characters of the training part, of all sources together, that a tokenizer is trained on at most. */
const TOKENIZER_CHARACTERS = 2e8;
/**
 * Characters read for a token wanted, when a tokenizer is trained on a source with `maxTokens`: about what a token has.
 */
const CHARACTERS_PER_TOKEN = 5;

/**
 * Makes the token streams that `BatchStream` and `evaluationBatches` read.
 *
 * @throws RangeError when there is no source, they name a file twice, or a part of one has no document; what
 *   `openSource`, `splitDocuments`, `trainBpe`, `loadTokenizer` and `cached` throw
 */
export async function prepareTokens(options: PrepareOptions): Promise<PreparedTokens> {
  const { cacheDirectory, onProgress } = options;
  const sources = await Promise.all(
    options.sources.map(async (source) => ('type' in source ? openSource(source, options) : source)),
  );
  checkSources(sources);
  const splits = await Promise.all(sources.map((source) => splitSource(source, options)));
  const tokenizer = await makeTokenizer(sources, splits, options);

  const training: TokenStream[] = [];
  const heldOut = new Map<string, Int32Array[]>();
  for (const [number, source] of sources.entries()) {
    const { domain, weight, maxTokens } = source;
    const streams = await encodeSource(source, {
      tokenizer,
      isHeldOut: splits[number]!,
      cacheDirectory,
      onProgress: (completed) => onProgress?.({ phase: 'encoding', domain, completed, total: maxTokens ?? null }),
    });
    checkParts(domain, streams, options.heldOutFraction);
    training.push({ domain, tokens: streams.training, ...(weight === undefined ? {} : { weight }) });
    heldOut.set(domain, [...(heldOut.get(domain) ?? []), streams.heldOut]);
  }
  return {
    tokenizer,
    training,
    heldOut: Array.from(heldOut, ([domain, parts]) => ({ domain, tokens: packTokens(parts, null) })).filter(
      ({ tokens }) => tokens.length > 0,
    ),
  };
}

/** Says of each document of a source, by its index, whether it is held out. */
export type Split = (index: number) => boolean;

async function splitSource(source: Source, options: SplitOptions): Promise<Split> {
  if (source.splitBy === 'place') {
    return holdOutByPlace(options);
  }
  const documents: { id: string; characters: number }[] = [];
  for await (const { id, text } of readDocuments(source)) {
    documents.push({ id, characters: text.length });
  }
  if (documents.length < 2 && options.heldOutFraction > 0) {
    throw new RangeError(
      `prepareTokens: the source of ${JSON.stringify(source.domain)} is a single document, so none can be held out. ` +
        'Give more text, cut it into several (separator or documentCharacters of a text source), or set heldOutFraction to 0.',
    );
  }
  const heldOut = chooseHeldOut(documents, options);
  const byIndex = documents.map(({ id }) => heldOut.has(id));
  return (index) => byIndex[index]!;
}

async function* readDocuments(source: Source): AsyncGenerator<{ readonly id: string; readonly text: string }> {
  for (const file of source.files) {
    for await (const { documents } of file.shards(0)) {
      yield* documents;
    }
  }
}

async function makeTokenizer(
  sources: readonly Source[],
  splits: readonly Split[],
  { tokenizer: spec, cacheDirectory, onProgress, heldOutFraction, seed }: PrepareOptions,
): Promise<Tokenizer> {
  if (spec === 'bytes') {
    return new ByteTokenizer();
  }
  if (spec === 'qwen3') {
    return loadQwenTokenizer();
  }
  if ('encode' in spec) {
    return spec;
  }
  if ('path' in spec) {
    return loadTokenizer(spec.path);
  }

  const { vocabularySize } = spec;
  const make = async (): Promise<Uint8Array> => {
    const told = onProgress === undefined ? {} : { onProgress };
    const { words } = await countSourceWords(sources, { heldOut: splits, ...told });
    const tokenizer = trainBpe(words, { vocabularySize, ...told });
    return new TextEncoder().encode(tokenizer.toJson());
  };
  if (cacheDirectory === undefined) {
    return parseTokenizer(new TextDecoder().decode(await make()));
  }
  const settings = {
    CACHE_FORMAT,
    vocabularySize,
    heldOutFraction,
    seed,
    // What is held out depends on names, as part of the documents' ids.
    sources: sources.map(({ files, maxTokens }) => ({
      files: files.map(({ key, name }) => ({ key, name })),
      maxTokens,
    })),
  };
  const key = createHash('sha256').update(JSON.stringify(settings)).digest('hex');
  return parseTokenizer(new TextDecoder().decode(await cached(cacheDirectory, `tokenizer-${key}`, make)));
}

export interface CountOptions {
  /**
   * Characters to read, of all sources together; of each an equal share at most, and no more than its `maxTokens` calls
   * for.
   */
  readonly characters?: number;
  /** Of each source: which documents to pass over. None by default. */
  readonly heldOut?: readonly Split[];
  readonly onProgress?: PrepareOptions['onProgress'];
}

/**
 * Counts the words of sources, for `trainBpe`. The document that reaches a limit is counted whole.
 *
 * @returns the words, and the characters they come from
 */
export async function countSourceWords(
  sources: readonly Source[],
  { characters = TOKENIZER_CHARACTERS, heldOut, onProgress }: CountOptions = {},
): Promise<{ readonly words: WordCounts; readonly characters: number }> {
  const words = new WordCounts();
  let all = 0;
  for (const [number, source] of sources.entries()) {
    const { maxTokens = Number.POSITIVE_INFINITY } = source;
    const end = all + Math.min(characters / sources.length, maxTokens * CHARACTERS_PER_TOKEN);
    let index = 0;
    for await (const { text } of readDocuments(source)) {
      if (!heldOut?.[number]!(index++)) {
        words.add(text);
        all += text.length;
        onProgress?.({ phase: 'counting', completed: all, total: null });
      }
      if (all >= end) {
        break;
      }
    }
  }
  return { words, characters: all };
}

function checkSources(sources: readonly Source[]): void {
  if (sources.length === 0) {
    throw new RangeError('prepareTokens: got no sources; give at least one, e.g. { type: "state-of-the-union" }.');
  }
  const seen = new Set<string>();
  for (const { name, origin } of sources.flatMap(({ files }) => files)) {
    if (seen.has(origin)) {
      throw new RangeError(
        `prepareTokens: the sources name ${name} twice, so a document could be trained on and held out. Name it once.`,
      );
    }
    seen.add(origin);
  }
}

function checkParts(
  domain: string,
  { training, heldOut }: { readonly training: Int32Array; readonly heldOut: Int32Array },
  heldOutFraction: number,
): void {
  const missing = training.length === 0 ? 'training' : heldOut.length === 0 && heldOutFraction > 0 ? 'held-out' : null;
  if (missing !== null) {
    throw new RangeError(
      `prepareTokens: the source of ${JSON.stringify(domain)} has no document for the ${missing} part ` +
        `(heldOutFraction is ${heldOutFraction}). Give more documents, raise maxTokens, or change heldOutFraction.`,
    );
  }
}
