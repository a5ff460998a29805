/**
 * Evaluation batches: sequences cut from held-out streams in a fixed order, in the proportions of the mix that a model
 * is trained on.
 */

import { apportion } from './mixture.ts';
import { asStreams, type Batch, checkSizes, cutBatch, type TokenStream, weightsOf } from './streams.ts';

/** How much of each stream an evaluation reads. */
export interface EvaluationPlan {
  /** Sequences of each stream. */
  readonly sequences: readonly number[];
  /** What the losses of each stream count for in the loss over all; see `Batch`. */
  readonly weights: readonly number[];
  /** Tokens of all streams together. */
  readonly tokens: number;
  /** The domain that keeps the mix from being as long as it could be; null where none does. */
  readonly scarce: ScarceDomain | null;
}

/** A domain that has less text than its share. */
export interface ScarceDomain {
  readonly domain: string;
  /** Tokens that it has, in whole sequences. */
  readonly available: number;
  /** Tokens of the mix, and what they would be if it had enough. */
  readonly tokens: number;
  readonly wanted: number;
}

/**
 * Plans an evaluation.
 *
 * Streams are read in the proportions of their weights, or of their tokens where they have none, as nearly as whole
 * sequences allow (largest remainders) and at least a sequence of each. Where one has too little text for its share,
 * all are read less, so that the proportions hold. What whole sequences cannot meet, the weights make up for: the
 * weighted mean of all losses is the loss of the mix, exactly.
 *
 * Streams that are `besides` the mix change nothing of it: they are read up to the same limit each, and their weight is
 * 0. Where all are, they are the mix.
 *
 * @param maxTokens read at most of the mix, and of each stream besides it; at least a sequence of each stream of the
 *   mix
 * @throws RangeError when a stream is too short for a sequence and its labels, `maxTokens` is too small, or only some
 *   streams of the mix have a weight
 */
export function planEvaluation(
  streams: readonly TokenStream[],
  sequenceLength: number,
  maxTokens: number = Number.POSITIVE_INFINITY,
): EvaluationPlan {
  checkSizes('evaluationBatches', streams, 1, sequenceLength);
  const numbers = [...streams.keys()];
  const isMixed = streams.every(({ besides }) => besides) ? () => true : (i: number) => streams[i]!.besides !== true;
  const mix = numbers.filter(isMixed);
  if (!(maxTokens >= sequenceLength * mix.length)) {
    throw new RangeError(
      `evaluationBatches: maxTokens is ${maxTokens}, less than one sequence of ${sequenceLength} tokens` +
        `${mix.length > 1 ? ` of each of ${mix.length} streams` : ''}. Raise maxTokens or shorten the sequence.`,
    );
  }
  // The last token is only ever a label.
  const available = streams.map(({ tokens }) => Math.floor((tokens.length - 1) / sequenceLength));
  const limit = Math.floor(maxTokens / sequenceLength);
  const sequences = available.map((count) => Math.min(count, limit));
  const weights = streams.map(() => 0);

  const shares = weightsOf(
    'evaluationBatches',
    mix.map((number) => streams[number]!),
  );
  const sum = shares.reduce((sum, share) => sum + share, 0);
  const most = mix.map((number) => available[number]!);
  const wanted = Math.min(
    limit,
    most.reduce((sum, count) => sum + count, 0),
  );
  // How many sequences the mix can have until a stream has too little for its share.
  const lengths = most.map((count, i) => Math.ceil(((count + 1) * sum) / shares[i]!) - 1);
  const shortest = Math.min(...lengths);
  const length = Math.min(wanted, Math.max(shortest, mix.length));
  for (const [i, count] of apportion(shares, length, most).entries()) {
    sequences[mix[i]!] = count;
    weights[mix[i]!] = (shares[i]! * length) / (sum * count);
  }

  const scarce = mix[lengths.indexOf(shortest)]!;
  return {
    sequences,
    weights,
    tokens: sequences.reduce((sum, count) => sum + count, 0) * sequenceLength,
    scarce:
      // Less than a sequence of each is rounding.
      wanted - length < mix.length
        ? null
        : {
            domain: streams[scarce]!.domain,
            available: available[scarce]! * sequenceLength,
            tokens: length * sequenceLength,
            wanted: wanted * sequenceLength,
          },
  };
}

/**
 * The batches of an evaluation: as many sequences of each stream as `planEvaluation` says, in a fixed order, no token
 * twice, one stream after the other.
 *
 * All batches have `batchSize` sequences but the last of each stream, which may have fewer, so that a batch is of one
 * domain. The end of a stream that fills no whole sequence is left out. The sequences are spread evenly over a stream
 * rather than taken from its beginning.
 *
 * @returns batches made one at a time, to be gone through once
 * @throws RangeError as `planEvaluation` does
 */
export function evaluationBatches(
  tokens: Int32Array | readonly TokenStream[],
  batchSize: number,
  sequenceLength: number,
  maxTokens: number = Number.POSITIVE_INFINITY,
): Iterable<Batch> {
  const streams = asStreams(tokens);
  checkSizes('evaluationBatches', streams, batchSize, sequenceLength);
  const { sequences, weights } = planEvaluation(streams, sequenceLength, maxTokens);
  return cutInOrder();

  function* cutInOrder(): Generator<Batch> {
    for (const [number, stream] of streams.entries()) {
      const count = sequences[number]!;
      const available = Math.floor((stream.tokens.length - 1) / sequenceLength);
      for (let first = 0; first < count; first += batchSize) {
        const cuts = Array.from({ length: Math.min(batchSize, count - first) }, (_, row) => ({
          stream,
          start: Math.floor(((first + row) * available) / count) * sequenceLength,
        }));
        yield { ...cutBatch(cuts, sequenceLength), weight: weights[number]! };
      }
    }
  }
}
