/**
 * From sources to token streams in one call: split, get the tokenizer (trained on the training part), encode, pack.
 * What takes long is kept in a cache if one is given. Node only.
 */

import type { SplitOptions } from './documents.ts';
import { encodeSource } from './encoding.ts';
import type { HubAccess } from './sources/hub.ts';
import { chooseNames } from './sources/names.ts';
import { openSource } from './sources/open.ts';
import { refuseSameContent } from './sources/same-content.ts';
import type { Source } from './sources/source.ts';
import type { SourceSpec } from './sources/spec.ts';
import { type Split, splitSources } from './split.ts';
import { checkWeights, type TokenStream } from './streams.ts';
import { ByteTokenizer } from './tokenizers/bytes.ts';
import { loadQwenTokenizer, loadTokenizer } from './tokenizers/load.ts';
import type { Tokenizer } from './tokenizers/tokenizer.ts';
import { type TokenizerProgress, trainedTokenizer } from './tokenizers/trained.ts';

/**
 * Which tokenizer: bytes; byte-level BPE of so many tokens, trained on the training part; the `tokenizer.json` at a
 * path (or in a model's folder); Qwen3's.
 */
export type TokenizerSpec = 'bytes' | 'qwen3' | { readonly vocabularySize: number } | { readonly path: string };

export interface PrepareOptions extends SplitOptions {
  /** What to read: specs, as a configuration has them, or sources already open. */
  readonly sources: readonly (SourceSpec | Source)[];
  /** What to evaluate on whole, besides what is held out of `sources`. None by default. */
  readonly evaluationSources?: readonly (SourceSpec | Source)[];
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
  | TokenizerProgress
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
  /**
   * The held-out documents, a stream for each source, with the weight that it has in training, so that
   * `evaluationBatches` mixes them as training does. Then the sources for evaluation, `besides` them. Empty where
   * nothing is held out and there are none.
   */
  readonly heldOut: readonly TokenStream[];
}

/** A source and what its domain is called among all. */
type NamedSource = Source & { readonly domain: string };

/**
 * Makes the token streams that `BatchStream` and `evaluationBatches` read.
 *
 * @throws RangeError when there is no source, two have the same text, only some have a weight, or a part of one has no
 *   document; what `openSource`, `splitSources`, `trainBpe`, `loadTokenizer` and `cached` throw
 */
export async function prepareTokens(options: PrepareOptions): Promise<PreparedTokens> {
  const { heldOutFraction } = options;
  const { sources, evaluationSources } = await openSources(options);
  const isHeldOut = await splitSources(sources, options);
  const tokenizer = await makeTokenizer(sources, isHeldOut, options);

  const training: TokenStream[] = [];
  const heldOut: TokenStream[] = [];
  for (const source of sources) {
    const { domain } = source;
    const streams = await encode(source, tokenizer, isHeldOut, options);
    checkPart(domain, 'training', streams.training, heldOutFraction);
    training.push({ domain, tokens: streams.training, ...weightOf(source) });
    if (heldOutFraction > 0) {
      checkPart(domain, 'held-out', streams.heldOut, heldOutFraction);
      heldOut.push({ domain, tokens: streams.heldOut, weight: source.weight ?? streams.training.length });
    }
  }
  for (const source of evaluationSources) {
    const { domain } = source;
    const { training: tokens } = await encode(source, tokenizer, () => false, options);
    checkPart(domain, 'evaluated', tokens, heldOutFraction);
    heldOut.push({ domain, tokens, ...weightOf(source), besides: true });
  }
  return { tokenizer, training, heldOut };
}

/** Opens all sources and names their domains, each among all. */
async function openSources(
  options: PrepareOptions,
): Promise<Record<'sources' | 'evaluationSources', readonly NamedSource[]>> {
  const { sources, evaluationSources = [] } = options;
  if (sources.length === 0) {
    throw new RangeError('prepareTokens: got no sources; give at least one, e.g. { type: "state-of-the-union" }.');
  }
  const opened = await Promise.all(
    [...sources, ...evaluationSources].map(async (source) => ('type' in source ? openSource(source, options) : source)),
  );
  const domains = chooseNames(opened.map(({ names }) => names));
  const named = opened.map((source, i) => ({ ...source, domain: domains[i]! }));
  const [own, others] = [named.slice(0, sources.length), named.slice(sources.length)];
  checkWeights('prepareTokens', own);
  checkWeights('prepareTokens', others);
  await refuseSameContent(own, others);
  return { sources: own, evaluationSources: others };
}

async function makeTokenizer(
  sources: readonly Source[],
  isHeldOut: Split,
  { tokenizer: spec, ...options }: PrepareOptions,
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
  return trainedTokenizer(sources, { ...options, ...spec, isHeldOut });
}

function encode(
  source: NamedSource,
  tokenizer: Tokenizer,
  isHeldOut: Split,
  { cacheDirectory, onProgress }: PrepareOptions,
): ReturnType<typeof encodeSource> {
  const { domain, maxTokens: total = null } = source;
  return encodeSource(source, {
    tokenizer,
    isHeldOut,
    cacheDirectory,
    onProgress: (completed) => onProgress?.({ phase: 'encoding', domain, completed, total }),
  });
}

function weightOf({ weight }: Source): Pick<TokenStream, 'weight'> {
  return weight === undefined ? {} : { weight };
}

function checkPart(domain: string, part: string, tokens: Int32Array, heldOutFraction: number): void {
  if (tokens.length === 0) {
    throw new RangeError(
      `prepareTokens: the source of ${JSON.stringify(domain)} has no document for the ${part} part ` +
        `(heldOutFraction is ${heldOutFraction}). Give more documents, raise maxTokens, or change heldOutFraction.`,
    );
  }
}
