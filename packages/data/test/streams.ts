/** Streams whose tokens say where they were cut. */

import * as fc from 'fast-check';
import type { Batch, TokenStream } from '../src/streams.ts';

/** A stream whose tokens are their own positions. */
export const positions = (length: number): Int32Array => Int32Array.from({ length }, (_, index) => index);

export const SIZES = fc
  .record({
    sequenceLength: fc.integer({ min: 1, max: 12 }),
    batchSize: fc.integer({ min: 1, max: 7 }),
    extra: fc.integer({ min: 1, max: 150 }),
    seed: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  })
  .map(({ extra, ...sizes }) => ({ ...sizes, tokens: positions(sizes.sequenceLength + extra) }));

/** Streams whose tokens are their own positions, 100,000 apart, and may have weights. */
export const STREAMS = fc
  .record({
    lengths: fc.array(fc.integer({ min: 8, max: 80 }), { minLength: 1, maxLength: 4 }),
    weights: fc.option(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 4, maxLength: 4 })),
    batchSize: fc.integer({ min: 1, max: 7 }),
    sequenceLength: fc.integer({ min: 1, max: 7 }),
    seed: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  })
  .map(({ lengths, weights, ...sizes }) => ({ ...sizes, tokens: streamsOf(lengths, weights ?? []) }));

export function streamsOf(lengths: readonly number[], weights: readonly number[] = []): TokenStream[] {
  return lengths.map((length, number) => ({
    domain: `domain ${number}`,
    tokens: positions(length).map((place) => place + 100_000 * number),
    ...(weights[number] === undefined ? {} : { weight: weights[number] }),
  }));
}

export const streamOf = (token: number): number => Math.floor(token / 100_000);

export const rowsOf = ({ inputIds, sequenceLength, batch }: Batch): number[][] =>
  Array.from({ length: batch }, (_, row) => [...inputIds.subarray(row * sequenceLength, (row + 1) * sequenceLength)]);
