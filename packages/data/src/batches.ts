/**
 * Batches: sequences cut from a token stream, for training in a random but fully determined order, for evaluation in a
 * fixed one.
 *
 * Labels are already the next token of the stream, the last position included, so a sequence of S tokens gives S
 * losses.
 */

import { Mixture } from './mixture.ts';
import { checkSeed, randomBelow, randomPermutation } from './random.ts';

/** The tokens of one kind of text. */
export interface TokenStream {
  /** What kind of text it is (`'c4'`, `'arxiv'`, ...). */
  readonly domain: string;
  /** Token ids, documents one after the other, as `packTokens` makes them. */
  readonly tokens: Int32Array;
  /** Share of the training sequences, relative to the other streams' weights. Default: in proportion to its tokens. */
  readonly weight?: number;
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
}

export interface BatchStreamOptions {
  /** One stream of token ids, or several to mix by their weights: all of them have one, or none has. */
  readonly tokens: Int32Array | readonly TokenStream[];
  /** Sequences in each batch. */
  readonly batchSize: number;
  /** Tokens in each sequence. */
  readonly sequenceLength: number;
  /** Non-negative integer; decides the order. */
  readonly seed: number;
}

/** The domain of a stream given as bare tokens. */
const UNNAMED = 'text';

/**
 * What a random number is drawn for, so that draws for different ends never share a counter. Of several streams, number
 * `i` draws for these purposes plus `2 i`.
 */
const OFFSET = 0;
const ORDER = 1;

/**
 * Endless training batches in an order decided by the seed.
 *
 * A stream is read as a ring: its first token follows its last, as one document follows another. In each epoch it is
 * cut, from a random offset on, into `sequencesPerEpoch = floor(tokens / sequenceLength)` sequences that do not
 * overlap, and they come in a random order, each once. The fewer than `sequenceLength` tokens that remain before the
 * offset sit that epoch out as inputs. Batches are filled without regard to epochs, so all are full, and one may hold
 * the end of an epoch and the start of the next. Several streams are mixed sequence by sequence (`Mixture`), each with
 * epochs of its own.
 *
 * Batch `i` is a function of the options and `i` alone. All there is to save is `position`; setting it resumes there.
 */
export class BatchStream {
  /** How many batches have been taken: the index of the one that `next` gives. */
  position = 0;
  /** Sequences in one epoch of every stream together. */
  readonly sequencesPerEpoch: number;
  readonly #options: BatchStreamOptions;
  readonly #streams: readonly StreamOrder[];
  readonly #mixture: Mixture;

  /**
   * @throws RangeError when a stream is too short for a sequence and its labels, or an option is out of range
   */
  constructor(options: BatchStreamOptions) {
    const { batchSize, sequenceLength, seed } = options;
    const streams = asStreams(options.tokens);
    checkSizes('BatchStream', streams, batchSize, sequenceLength);
    checkSeed('BatchStream', seed);
    this.#options = options;
    this.#streams = streams.map((stream, number) => new StreamOrder(stream, number, sequenceLength, seed));
    this.#mixture = new Mixture(weightsOf(streams), seed);
    this.sequencesPerEpoch = this.#streams.reduce((sum, { sequencesPerEpoch }) => sum + sequencesPerEpoch, 0);
  }

  /** The batch at `position`, which moves on by one. */
  next(): Batch {
    const batch = this.batchAt(this.position);
    this.position++;
    return batch;
  }

  /**
   * The batch of any index; leaves `position` alone.
   *
   * @throws RangeError unless the index is a non-negative integer
   */
  batchAt(index: number): Batch {
    if (!Number.isSafeInteger(index) || index < 0) {
      throw new RangeError(`BatchStream: a batch index is an integer from 0, got ${index}.`);
    }
    const { batchSize, sequenceLength } = this.#options;
    const cuts = Array.from({ length: batchSize }, (_, row) => {
      const { stream, index: sequence } = this.#mixture.at(index * batchSize + row);
      const order = this.#streams[stream]!;
      return { stream: order.stream, start: order.startOf(sequence) };
    });
    return cutBatch(cuts, sequenceLength);
  }

  /**
   * How many epochs, over all streams together, are over when `batches` batches have been taken; the fraction says how
   * far the next has come.
   */
  epochsAfter(batches: number): number {
    return (batches * this.#options.batchSize) / this.sequencesPerEpoch;
  }
}

/** The order in which the sequences of one stream come. */
class StreamOrder {
  readonly stream: TokenStream;
  readonly sequencesPerEpoch: number;
  readonly #number: number;
  readonly #sequenceLength: number;
  readonly #seed: number;
  /** The epoch last used, kept because the next sequence most likely needs it too. */
  #epoch: { readonly index: number; readonly offset: number; readonly order: Int32Array } | null = null;

  constructor(stream: TokenStream, number: number, sequenceLength: number, seed: number) {
    this.stream = stream;
    this.sequencesPerEpoch = Math.floor(stream.tokens.length / sequenceLength);
    this.#number = number;
    this.#sequenceLength = sequenceLength;
    this.#seed = seed;
  }

  /** Where the sequence of an index from 0, counted through all epochs, begins; may lie beyond the end of the ring. */
  startOf(sequence: number): number {
    const index = Math.floor(sequence / this.sequencesPerEpoch);
    if (this.#epoch?.index !== index) {
      const first = 2 * this.#number;
      this.#epoch = {
        index,
        offset: randomBelow(this.stream.tokens.length, this.#seed, first + OFFSET, index),
        order: randomPermutation(this.sequencesPerEpoch, this.#seed, first + ORDER, index),
      };
    }
    return this.#epoch.offset + this.#epoch.order[sequence % this.sequencesPerEpoch]! * this.#sequenceLength;
  }
}

/**
 * The batches of an evaluation: sequences in a fixed order, no token twice, one stream after the other.
 *
 * All batches have `batchSize` sequences but the last of each stream, which may have fewer, so that a batch is of one
 * domain. The end of a stream that fills no whole sequence is left out. With `maxTokens`, only as many sequences as fit
 * in it are used: an equal number of each stream (all of a stream that has fewer), spread evenly over the stream rather
 * than taken from its beginning.
 *
 * @returns batches made one at a time, to be gone through once
 * @throws RangeError when a stream is too short for a sequence and its labels, or `maxTokens` for a sequence of each
 */
export function evaluationBatches(
  tokens: Int32Array | readonly TokenStream[],
  batchSize: number,
  sequenceLength: number,
  maxTokens: number = Number.POSITIVE_INFINITY,
): Iterable<Batch> {
  const streams = asStreams(tokens);
  checkSizes('evaluationBatches', streams, batchSize, sequenceLength);
  if (!(maxTokens >= sequenceLength * streams.length)) {
    throw new RangeError(
      `evaluationBatches: maxTokens is ${maxTokens}, less than one sequence of ${sequenceLength} tokens` +
        `${streams.length > 1 ? ` of each of ${streams.length} domains` : ''}. Raise maxTokens or shorten the sequence.`,
    );
  }
  // The last token is only ever a label.
  const available = streams.map((stream) => Math.floor((stream.tokens.length - 1) / sequenceLength));
  const used = shareOut(Math.floor(maxTokens / sequenceLength), available);
  return cutInOrder();

  function* cutInOrder(): Generator<Batch> {
    for (const [number, stream] of streams.entries()) {
      const count = used[number]!;
      for (let first = 0; first < count; first += batchSize) {
        const cuts = Array.from({ length: Math.min(batchSize, count - first) }, (_, row) => ({
          stream,
          start: Math.floor(((first + row) * available[number]!) / count) * sequenceLength,
        }));
        yield cutBatch(cuts, sequenceLength);
      }
    }
  }
}

/** Divides `total` equally; what one cannot take goes to the others, and what is left over to the first. */
function shareOut(total: number, available: readonly number[]): number[] {
  const used = available.map(() => 0);
  let left = Math.min(
    total,
    available.reduce((sum, count) => sum + count, 0),
  );
  while (left > 0) {
    const open = [...available.keys()].filter((number) => used[number]! < available[number]!);
    const share = Math.max(1, Math.floor(left / open.length));
    for (const number of open) {
      const taken = Math.min(share, available[number]! - used[number]!, left);
      used[number]! += taken;
      left -= taken;
    }
  }
  return used;
}

/** Cuts sequences out of rings of tokens; a start may lie beyond the end. */
function cutBatch(
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

function asStreams(tokens: Int32Array | readonly TokenStream[]): readonly TokenStream[] {
  return tokens instanceof Int32Array ? [{ domain: UNNAMED, tokens }] : tokens;
}

function weightsOf(streams: readonly TokenStream[]): number[] {
  const weighted = streams.filter(({ weight }) => weight !== undefined);
  if (weighted.length > 0 && weighted.length < streams.length) {
    const without = streams.find(({ weight }) => weight === undefined)!;
    throw new RangeError(
      `BatchStream: the domain ${JSON.stringify(without.domain)} has no weight, but others have. ` +
        'Give every source a weight, or none to mix them in proportion to their tokens.',
    );
  }
  return streams.map(({ weight, tokens }) => weight ?? tokens.length);
}

function checkSizes(owner: string, streams: readonly TokenStream[], batchSize: number, sequenceLength: number): void {
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
