import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchStream } from '../src/batches.ts';
import { positions, rowsOf, SIZES, STREAMS, streamOf } from './streams.ts';

/** The first `count` sequences that a stream gives. */
function firstSequences(stream: BatchStream, count: number): number[][] {
  const rows: number[][] = [];
  while (rows.length < count) {
    rows.push(...rowsOf(stream.next()));
  }
  return rows.slice(0, count);
}

describe('BatchStream', () => {
  it('fills every batch with sequences of neighbouring tokens, labelled with the next token', () => {
    fc.assert(
      fc.property(SIZES, fc.nat({ max: 50 }), (sizes, index) => {
        const { tokens, batchSize, sequenceLength } = sizes;
        const batch = new BatchStream(sizes).batchAt(index);
        expect(batch).toMatchObject({ batch: batchSize, sequenceLength });
        expect(batch.inputIds).toHaveLength(batchSize * sequenceLength);
        expect(batch.labels).toEqual(batch.inputIds.map((token) => (token + 1) % tokens.length));
        for (const row of rowsOf(batch)) {
          expect(row).toEqual(row.map((_, place) => (row[0]! + place) % tokens.length));
        }
      }),
    );
  });

  it('gives every sequence of an epoch once, without overlap', () => {
    fc.assert(
      fc.property(SIZES, (sizes) => {
        const stream = new BatchStream(sizes);
        const { sequencesPerEpoch } = stream;
        expect(sequencesPerEpoch).toBe(Math.floor(sizes.tokens.length / sizes.sequenceLength));
        const sequences = firstSequences(stream, 3 * sequencesPerEpoch);
        for (let epoch = 0; epoch < 3; epoch++) {
          const seen = sequences.slice(epoch * sequencesPerEpoch, (epoch + 1) * sequencesPerEpoch).flat();
          expect(new Set(seen).size).toBe(sequencesPerEpoch * sizes.sequenceLength);
        }
      }),
    );
  });

  it('resumes at any position as if it had never stopped', () => {
    fc.assert(
      fc.property(SIZES, fc.nat({ max: 40 }), (sizes, position) => {
        const uninterrupted = new BatchStream(sizes);
        for (let index = 0; index < position; index++) {
          uninterrupted.next();
        }
        const resumed = new BatchStream(sizes);
        resumed.position = position;
        for (let index = 0; index < 5; index++) {
          expect(resumed.next()).toEqual(uninterrupted.next());
        }
        expect(resumed.position).toBe(position + 5);
        expect(resumed.batchAt(position)).toEqual(new BatchStream(sizes).batchAt(position));
        expect(resumed.position).toBe(position + 5);
      }),
    );
  });

  it('takes the same sequences whatever the batch size', () => {
    fc.assert(
      fc.property(SIZES, fc.integer({ min: 1, max: 7 }), (sizes, batchSize) => {
        const sequences = firstSequences(new BatchStream(sizes), 50);
        expect(firstSequences(new BatchStream({ ...sizes, batchSize }), 50)).toEqual(sequences);
      }),
    );
  });

  it('differs between seeds, and between epochs in order and in where sequences begin', () => {
    const sizes = { tokens: positions(1000), batchSize: 4, sequenceLength: 10 };
    const epochOf = (seed: number, epoch: number): number[] =>
      firstSequences(new BatchStream({ ...sizes, seed }), 100 * (epoch + 1))
        .slice(100 * epoch)
        .map((row) => row[0]!);
    const epochs = [epochOf(0, 0), epochOf(1, 0), epochOf(2 ** 32, 0), epochOf(0, 1), epochOf(0, 2)];
    expect(new Set(epochs.map((starts) => starts.join())).size).toBe(epochs.length);
    expect(epochOf(0, 1)).toEqual(epochOf(0, 1));
    const offsets = Array.from({ length: 20 }, (_, epoch) => epochOf(0, epoch)[0]! % 10);
    expect(new Set(offsets).size).toBeGreaterThan(5);
    // Cut into 100 sequences of 10, a random order has about one in its place.
    const inOrder = epochOf(0, 0).filter((start, index, all) => start === (all[index - 1] ?? 0) + 10);
    expect(inOrder.length).toBeLessThan(10);
  });

  it('says how many epochs are over', () => {
    const stream = new BatchStream({ tokens: positions(40), batchSize: 2, sequenceLength: 10, seed: 0 });
    expect([0, 1, 2, 5].map((batches) => stream.epochsAfter(batches))).toEqual([0, 0.5, 1, 2.5]);
  });

  it('says what is wrong', () => {
    const good = { tokens: positions(40), batchSize: 2, sequenceLength: 10, seed: 0 };
    expect(() => new BatchStream({ ...good, sequenceLength: 40 })).toThrow(
      /sequence of 40 tokens and the label of its last take 41 tokens, but the stream has 40\. Shorten/,
    );
    expect(() => new BatchStream({ ...good, batchSize: 0 })).toThrow(/batchSize must be a positive integer, got 0/);
    expect(() => new BatchStream({ ...good, sequenceLength: 1.5 })).toThrow(/sequenceLength .* got 1.5/);
    expect(() => new BatchStream({ ...good, seed: -1 })).toThrow(/seed must be/);
    expect(() => new BatchStream(good).batchAt(-1)).toThrow(/index is an integer from 0, got -1/);
  });
});

describe('BatchStream of several streams', () => {
  it('says which domain each sequence is of, and cuts it from that stream alone', () => {
    fc.assert(
      fc.property(STREAMS, fc.nat({ max: 500 }), (sizes, index) => {
        const batch = new BatchStream(sizes).batchAt(index);
        expect(batch.domains).toEqual(rowsOf(batch).map(([first]) => `domain ${streamOf(first!)}`));
        batch.labels.forEach((label, place) => {
          const input = batch.inputIds[place]!;
          const { length } = sizes.tokens[streamOf(input)]!.tokens;
          expect(label).toBe(streamOf(input) * 100_000 + (((input % 100_000) + 1) % length));
        });
      }),
    );
  });

  it('takes from each stream what it would give alone: every sequence of an epoch once', () => {
    fc.assert(
      fc.property(STREAMS, (sizes) => {
        const sequences = firstSequences(new BatchStream(sizes), 600);
        for (const [number, { tokens }] of sizes.tokens.entries()) {
          const own = sequences.filter(([first]) => streamOf(first!) === number);
          const perEpoch = Math.floor(tokens.length / sizes.sequenceLength);
          for (let start = 0; start + perEpoch <= own.length; start += perEpoch) {
            const epoch = own.slice(start, start + perEpoch).flat();
            expect(new Set(epoch).size).toBe(epoch.length);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it('keeps to the weights in every thousand sequences, by default to the sizes', () => {
    fc.assert(
      fc.property(STREAMS, (sizes) => {
        const sequences = firstSequences(new BatchStream(sizes), 2000);
        const weights = sizes.tokens.map(({ weight, tokens }) => weight ?? tokens.length);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        for (const part of [sequences.slice(0, 1000), sequences.slice(1000)]) {
          for (const [number, weight] of weights.entries()) {
            const share = part.filter(([first]) => streamOf(first!) === number).length;
            expect(Math.abs(share - (1000 * weight) / total)).toBeLessThan(1);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('resumes anywhere, whatever the batch size', () => {
    fc.assert(
      fc.property(STREAMS, fc.nat({ max: 400 }), (sizes, position) => {
        const resumed = new BatchStream(sizes);
        resumed.position = position;
        const first = position * sizes.batchSize;
        expect(rowsOf(resumed.next())).toEqual(
          firstSequences(new BatchStream({ ...sizes, batchSize: 1 }), first + sizes.batchSize).slice(first),
        );
      }),
      { numRuns: 40 },
    );
  });

  it('orders one stream as it does bare tokens', () => {
    fc.assert(
      fc.property(SIZES, (sizes) => {
        const named = new BatchStream({ ...sizes, tokens: [{ domain: 'text', tokens: sizes.tokens, weight: 3 }] });
        expect(named.batchAt(5)).toEqual(new BatchStream(sizes).batchAt(5));
      }),
    );
  });

  it('says what is wrong', () => {
    const stream = { domain: 'c4', tokens: positions(40) };
    const sizes = { batchSize: 2, sequenceLength: 10, seed: 0 };
    expect(() => new BatchStream({ ...sizes, tokens: [] })).toThrow(/got no token streams/);
    expect(() => new BatchStream({ ...sizes, tokens: [{ ...stream, weight: 1 }, stream] })).toThrow(
      /"c4" has no weight, but others have\. Give every source a weight, or none/,
    );
    expect(() => new BatchStream({ ...sizes, tokens: [{ ...stream, weight: 0 }] })).toThrow(/positive number, got 0/);
    expect(() => new BatchStream({ ...sizes, tokens: [{ ...stream, tokens: positions(4) }] })).toThrow(
      /take 11 tokens, but the stream of "c4" has 4/,
    );
  });
});
