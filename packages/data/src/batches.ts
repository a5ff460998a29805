/**
 * Training batches: sequences cut from token streams in a random but fully determined order.
 */

import { Mixture } from './mixture.ts';
import { checkSeed, randomBelow, randomPermutation } from './random.ts';
import { asStreams, type Batch, checkSizes, cutBatch, type TokenStream, weightsOf } from './streams.ts';

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
    this.#mixture = new Mixture(weightsOf('BatchStream', streams), seed);
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
