/**
 * Token streams and the sequences cut from them: what training batches and evaluation batches share.
 *
 * Labels are already the next token of the stream, the last position included, so a sequence of S tokens gives S
 * losses.
 */

/** The tokens of one kind of text. */
export interface TokenStream {
  /** What kind of text it is (`'c4'`, `'arxiv'`, ...). */
  readonly domain: string;
  /** Token ids, documents one after the other, as `packTokens` makes them. */
  readonly tokens: Int32Array;
  /** Share of the sequences, relative to the other streams' weights. Default: in proportion to its tokens. */
  readonly weight?: number;
  /**
   * Of an evaluation: evaluated besides the mix of the other streams, so it counts in the results of its domain but not
   * in those over all. Default false.
   */
  readonly besides?: boolean;
}

/** Sequences to run through a model at once. Padding never occurs. */
export interface Batch {
  /** Token ids, row-major `[batch, sequenceLength]`. */
  readonly inputIds: Int32Array;
  /** For each input token the one that follows it in the stream, same layout. */
  readonly labels: Int32Array;
  /** Domain of each sequence, `[batch]`. */
  readonly domains: readonly string[];
  /** How many sequences. */
  readonly batch: number;
  /** Tokens in each sequence. */
  readonly sequenceLength: number;
  /**
   * Of an evaluation: what each of its losses counts for in the loss over all, where whole sequences alone do not meet
   * the proportions of a mix; 0 for text besides the mix, whose loads do not count over all either. Default 1.
   */
  readonly weight?: number;
}

/** The domain of a stream given as bare tokens. */
const UNNAMED = 'text';

export function asStreams(tokens: Int32Array | readonly TokenStream[]): readonly TokenStream[] {
  return tokens instanceof Int32Array ? [{ domain: UNNAMED, tokens }] : tokens;
}

/**
 * The weight of each stream: that given, or its tokens.
 *
 * @throws RangeError where only some have one
 */
export function weightsOf(owner: string, streams: readonly TokenStream[]): number[] {
  checkWeights(owner, streams);
  return streams.map(({ weight, tokens }) => weight ?? tokens.length);
}

/** @throws RangeError where only some have a weight */
export function checkWeights(
  owner: string,
  parts: readonly { readonly domain: string; readonly weight?: number }[],
): void {
  const without = parts.filter(({ weight }) => weight === undefined);
  if (without.length > 0 && without.length < parts.length) {
    throw new RangeError(
      `${owner}: the domain ${JSON.stringify(without[0]!.domain)} has no weight, but others have. ` +
        'Give every source a weight, or none to mix them in proportion to their tokens.',
    );
  }
}

/** @throws RangeError when a stream is too short for a sequence and its labels, or a size is out of range */
export function checkSizes(
  owner: string,
  streams: readonly TokenStream[],
  batchSize: number,
  sequenceLength: number,
): void {
  for (const [name, value] of Object.entries({ batchSize, sequenceLength })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new RangeError(`${owner}: ${name} must be a positive integer, got ${value}.`);
    }
  }
  if (streams.length === 0) {
    throw new RangeError(`${owner}: got no token streams; give at least one.`);
  }
  for (const { domain, tokens } of streams) {
    if (tokens.length < sequenceLength + 1) {
      throw new RangeError(
        `${owner}: a sequence of ${sequenceLength} tokens and the label of its last take ${sequenceLength + 1} tokens, but ` +
          `the stream${domain === UNNAMED ? '' : ` of ${JSON.stringify(domain)}`} has ${tokens.length}. ` +
          'Shorten the sequence or give more text.',
      );
    }
  }
}

/** Cuts sequences out of rings of tokens; a start may lie beyond the end. */
export function cutBatch(
  cuts: readonly { readonly stream: TokenStream; readonly start: number }[],
  sequenceLength: number,
): Batch {
  const inputIds = new Int32Array(cuts.length * sequenceLength);
  const labels = new Int32Array(cuts.length * sequenceLength);
  for (const [row, { stream, start }] of cuts.entries()) {
    copyFromRing(stream.tokens, start, inputIds, row * sequenceLength, sequenceLength);
    copyFromRing(stream.tokens, start + 1, labels, row * sequenceLength, sequenceLength);
  }
  return { inputIds, labels, domains: cuts.map(({ stream }) => stream.domain), batch: cuts.length, sequenceLength };
}

function copyFromRing(ring: Int32Array, start: number, target: Int32Array, at: number, length: number): void {
  const from = start % ring.length;
  const head = ring.subarray(from, from + length);
  target.set(head, at);
  target.set(ring.subarray(0, length - head.length), at + head.length);
}
