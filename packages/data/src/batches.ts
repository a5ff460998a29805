/**
 * Batches: sequences cut from a token stream, for training in a random but fully determined order, for evaluation in a
 * fixed one.
 *
 * Labels are already the next token of the stream, the last position included, so a sequence of S tokens gives S losses.
 */

import { checkSeed, randomBelow, randomPermutation } from './random.ts';

/** Sequences to run through a model at once. Padding never occurs. */
export interface Batch {
  /** Token ids, row-major `[batch, sequenceLength]`. */
  readonly inputIds: Int32Array;
  /** For each input token the one that follows it in the stream, same layout. */
  readonly labels: Int32Array;
  /** How many sequences. */
  readonly batch: number;
  /** Tokens in each sequence. */
  readonly sequenceLength: number;
}

export interface BatchStreamOptions {
  /** The stream of token ids, as `packTokens` makes it. */
  readonly tokens: Int32Array;
  /** Sequences in each batch. */
  readonly batchSize: number;
  /** Tokens in each sequence. */
  readonly sequenceLength: number;
  /** Non-negative integer; decides the order. */
  readonly seed: number;
}

/** What a random number is drawn for, so that draws for different ends never share a counter. */
const OFFSET = 0;
const ORDER = 1;

/**
 * Endless training batches in an order decided by the seed.
 *
 * The stream is read as a ring: its first token follows its last, as one document follows another. In each epoch it is cut,
 * from a random offset on, into `sequencesPerEpoch = floor(tokens / sequenceLength)` sequences that do not overlap, and
 * they come in a random order, each once. The fewer than `sequenceLength` tokens that remain before the offset sit that
 * epoch out as inputs. Batches are filled without regard to epochs, so all are full, and one may hold the end of an epoch
 * and the start of the next.
 *
 * Batch `i` is a function of the options and `i` alone. All there is to save is `position`; setting it resumes there.
 */
export class BatchStream {
  /** How many batches have been taken: the index of the one that `next` gives. */
  position = 0;
  readonly sequencesPerEpoch: number;
  readonly #options: BatchStreamOptions;
  /** The epoch last used, kept because the next batch most likely needs it too. */
  #epoch: { readonly index: number; readonly offset: number; readonly order: Int32Array } | null = null;

  /**
   * @throws RangeError when the stream is too short for a sequence and its labels, or an option is out of range
   */
  constructor(options: BatchStreamOptions) {
    checkSizes('BatchStream', options.tokens, options.batchSize, options.sequenceLength);
    checkSeed('BatchStream', options.seed);
    this.#options = options;
    this.sequencesPerEpoch = Math.floor(options.tokens.length / options.sequenceLength);
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
    const { tokens, batchSize, sequenceLength } = this.#options;
    const starts = Array.from({ length: batchSize }, (_, row) => {
      const sequence = index * batchSize + row;
      const epoch = this.#epochAt(Math.floor(sequence / this.sequencesPerEpoch));
      return epoch.offset + epoch.order[sequence % this.sequencesPerEpoch]! * sequenceLength;
    });
    return cutBatch(tokens, starts, sequenceLength);
  }

  /** How many epochs are over when `batches` batches have been taken; the fraction says how far the next has come. */
  epochsAfter(batches: number): number {
    return (batches * this.#options.batchSize) / this.sequencesPerEpoch;
  }

  #epochAt(index: number): { readonly offset: number; readonly order: Int32Array } {
    if (this.#epoch?.index !== index) {
      const { tokens, seed } = this.#options;
      this.#epoch = {
        index,
        offset: randomBelow(tokens.length, seed, OFFSET, index),
        order: randomPermutation(this.sequencesPerEpoch, seed, ORDER, index),
      };
    }
    return this.#epoch;
  }
}

/**
 * The batches of an evaluation: sequences in a fixed order, no token twice.
 *
 * All batches have `batchSize` sequences but the last, which may have fewer. The end of the stream that fills no whole
 * sequence is left out. With `maxTokens`, only as many sequences as fit in it are used, spread evenly over the stream rather
 * than taken from its beginning.
 *
 * @returns batches made one at a time, to be gone through once
 * @throws RangeError when the stream is too short for a sequence and its labels, or `maxTokens` for a sequence
 */
export function evaluationBatches(
  tokens: Int32Array,
  batchSize: number,
  sequenceLength: number,
  maxTokens: number = Number.POSITIVE_INFINITY,
): Iterable<Batch> {
  checkSizes('evaluationBatches', tokens, batchSize, sequenceLength);
  if (!(maxTokens >= sequenceLength)) {
    throw new RangeError(
      `evaluationBatches: maxTokens is ${maxTokens}, less than one sequence of ${sequenceLength} tokens. ` +
        'Raise maxTokens or shorten the sequence.',
    );
  }
  // The last token is only ever a label.
  const available = Math.floor((tokens.length - 1) / sequenceLength);
  const used = Math.min(available, Math.floor(maxTokens / sequenceLength));
  return cutInOrder();

  function* cutInOrder(): Generator<Batch> {
    for (let first = 0; first < used; first += batchSize) {
      const starts = Array.from(
        { length: Math.min(batchSize, used - first) },
        (_, row) => Math.floor(((first + row) * available) / used) * sequenceLength,
      );
      yield cutBatch(tokens, starts, sequenceLength);
    }
  }
}

/** Cuts sequences out of the ring of tokens; `starts` may lie beyond its end. */
function cutBatch(tokens: Int32Array, starts: readonly number[], sequenceLength: number): Batch {
  const inputIds = new Int32Array(starts.length * sequenceLength);
  const labels = new Int32Array(starts.length * sequenceLength);
  for (const [row, start] of starts.entries()) {
    copyFromRing(tokens, start, inputIds, row * sequenceLength, sequenceLength);
    copyFromRing(tokens, start + 1, labels, row * sequenceLength, sequenceLength);
  }
  return { inputIds, labels, batch: starts.length, sequenceLength };
}

function copyFromRing(ring: Int32Array, start: number, target: Int32Array, at: number, length: number): void {
  const from = start % ring.length;
  const head = ring.subarray(from, from + length);
  target.set(head, at);
  target.set(ring.subarray(0, length - head.length), at + head.length);
}

function checkSizes(owner: string, tokens: Int32Array, batchSize: number, sequenceLength: number): void {
  for (const [name, value] of Object.entries({ batchSize, sequenceLength })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new RangeError(`${owner}: ${name} must be a positive integer, got ${value}.`);
    }
  }
  if (tokens.length < sequenceLength + 1) {
    throw new RangeError(
      `${owner}: a sequence of ${sequenceLength} tokens and the label of its last take ${sequenceLength + 1} tokens, but ` +
        `the stream has ${tokens.length}. Shorten the sequence or give more text.`,
    );
  }
}
