import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluationBatches, planEvaluation } from '../src/evaluation-batches.ts';
import type { TokenStream } from '../src/streams.ts';
import { positions, rowsOf, SIZES, STREAMS, streamOf, streamsOf } from './streams.ts';

const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

describe('evaluationBatches', () => {
  it('goes through the stream in order, each token once, the last incomplete sequence left out', () => {
    fc.assert(
      fc.property(SIZES, ({ tokens, batchSize, sequenceLength }) => {
        const batches = [...evaluationBatches(tokens, batchSize, sequenceLength)];
        const used = Math.floor((tokens.length - 1) / sequenceLength) * sequenceLength;
        expect(batches.flatMap(({ inputIds }) => [...inputIds])).toEqual([...tokens.subarray(0, used)]);
        expect(batches.flatMap(({ labels }) => [...labels])).toEqual([...tokens.subarray(1, used + 1)]);
        expect(batches.slice(0, -1).every(({ batch }) => batch === batchSize)).toBe(true);
        expect(batches.at(-1)?.batch).toBeLessThanOrEqual(batchSize);
        expect(batches.every(({ weight }) => weight === 1)).toBe(true);
      }),
    );
  });

  it('spreads a limited number of tokens over the whole stream', () => {
    fc.assert(
      fc.property(SIZES, fc.integer({ min: 1, max: 20 }), ({ tokens, batchSize, sequenceLength }, sequences) => {
        const maxTokens = sequences * sequenceLength + sequenceLength - 1;
        const inputs = [...evaluationBatches(tokens, batchSize, sequenceLength, maxTokens)].flatMap(({ inputIds }) => [
          ...inputIds,
        ]);
        const available = Math.floor((tokens.length - 1) / sequenceLength);
        expect(inputs).toHaveLength(Math.min(sequences, available) * sequenceLength);
        expect(new Set(inputs).size).toBe(inputs.length);
      }),
    );
    const [batch] = evaluationBatches(positions(101), 4, 10, 40);
    expect(rowsOf(batch!).map((row) => row[0])).toEqual([0, 20, 50, 70]);
  });

  it('goes through several streams, a domain a batch, as far as planned', () => {
    fc.assert(
      fc.property(STREAMS, fc.integer({ min: 4, max: 60 }), ({ tokens, batchSize, sequenceLength }, sequences) => {
        const maxTokens = sequences * sequenceLength;
        const batches = [...evaluationBatches(tokens, batchSize, sequenceLength, maxTokens)];
        expect(batches.every(({ domains }) => new Set(domains).size === 1)).toBe(true);
        const inputs = batches.flatMap(({ inputIds }) => [...inputIds]);
        expect(new Set(inputs).size).toBe(inputs.length);
        const plan = planEvaluation(tokens, sequenceLength, maxTokens);
        expect(inputs).toHaveLength(plan.tokens);
        const used = tokens.map(
          (_, number) => inputs.filter((input) => streamOf(input) === number).length / sequenceLength,
        );
        expect(used).toEqual(plan.sequences);
        expect(batches.map(({ domains }) => domains[0]!)).toEqual(batches.map(({ domains }) => domains[0]!).toSorted());
      }),
    );
  });

  it('says what is wrong at once', () => {
    const pair: TokenStream[] = ['a', 'b'].map((domain) => ({ domain, tokens: positions(40) }));
    expect(() => evaluationBatches(pair, 1, 10, 19)).toThrow(/maxTokens is 19, .* of each of 2 streams/);
    expect(() => evaluationBatches(positions(10), 1, 10)).toThrow(/take 11 tokens, but the stream has 10/);
    expect(() => evaluationBatches(positions(11), 1, 10, 9)).toThrow(/maxTokens is 9, less than one sequence of 10/);
    expect(() => evaluationBatches(positions(11), 1, 10, Number.NaN)).toThrow(/maxTokens is NaN/);
    expect(() => evaluationBatches([{ ...pair[0]!, weight: 1 }, pair[1]!], 1, 10)).toThrow(/"b" has no weight, but/);
    expect(() => evaluationBatches(pair, 0, 10)).toThrow(/batchSize must be a positive integer, got 0/);
  });
});

describe('planEvaluation', () => {
  it('reads the mix in its proportions, and weighs what whole sequences cannot share out', () => {
    fc.assert(
      fc.property(STREAMS, fc.integer({ min: 4, max: 60 }), ({ tokens, sequenceLength }, limit) => {
        const plan = planEvaluation(tokens, sequenceLength, limit * sequenceLength);
        const total = sum(plan.sequences);
        const shares = tokens.map(({ weight, tokens }) => weight ?? tokens.length);
        const available = tokens.map((stream) => Math.floor((stream.tokens.length - 1) / sequenceLength));
        expect(total).toBeLessThanOrEqual(limit);
        for (const [number, count] of plan.sequences.entries()) {
          const exact = (total * shares[number]!) / sum(shares);
          expect(count).toBeGreaterThanOrEqual(1);
          expect(count).toBeLessThanOrEqual(available[number]!);
          // What the mix weighs is exact, whatever is read.
          expect(count * plan.weights[number]!).toBeCloseTo(exact, 9);
          // No more than rounding off, unless a domain has not even a sequence to its share.
          if (exact >= 1 && total > tokens.length && shares.every((share) => (total * share) / sum(shares) >= 1)) {
            expect(Math.abs(count - exact)).toBeLessThan(tokens.length);
          }
        }
      }),
    );
  });

  it('has three of one for one of another where the weights are 3 to 1, though there is more held out of the other', () => {
    const plan = planEvaluation(streamsOf([101, 401], [3, 1]), 1, 120);
    expect(plan).toEqual({ sequences: [90, 30], weights: [1, 1], tokens: 120, scarce: null });
  });

  it('reads all there is of streams without weights', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 8, max: 500 }), { minLength: 1, maxLength: 40 }), (lengths) => {
        const { sequences, scarce } = planEvaluation(streamsOf(lengths), 7);
        expect(sequences).toEqual(lengths.map((length) => Math.floor((length - 1) / 7)));
        expect(scarce).toBeNull();
      }),
    );
  });

  it('reads less of all where a domain has too little for its share, and says which', () => {
    const plan = planEvaluation(streamsOf([21, 401], [3, 1]), 1, 120);
    expect(plan.sequences).toEqual([20, 7]);
    expect(plan.scarce).toEqual({ domain: 'domain 0', available: 20, tokens: 27, wanted: 120 });
    expect(plan.weights.map((weight, i) => weight * plan.sequences[i]!)).toEqual([20.25, 6.75]);
    // Not even a sequence of each would be in proportion: the weights still are.
    const extreme = planEvaluation(streamsOf([2, 401, 401], [98, 1, 1]), 1, 120);
    expect(extreme.sequences).toEqual([1, 1, 1]);
    expect(extreme.weights).toEqual([2.94, 0.03, 0.03]);
  });

  it('takes a sequence of each domain at least, of 40 too', () => {
    const weights = Array.from({ length: 40 }, (_, number) => 1 / (number + 1) ** 2);
    const { sequences, weights: losses } = planEvaluation(
      streamsOf(
        Array.from(weights, () => 200),
        weights,
      ),
      1,
      100,
    );
    expect(Math.min(...sequences)).toBe(1);
    expect(sum(sequences)).toBe(100);
    const share = (number: number): number => (sequences[number]! * losses[number]!) / 100;
    expect(share(0)).toBeCloseTo(1 / sum(weights), 12);
    expect(share(39)).toBeCloseTo(weights[39]! / sum(weights), 12);
  });

  it('reads what is besides the mix up to the limit, without weight, and the mix as if it were not there', () => {
    const [a, b, c] = streamsOf([401, 401, 401], [3, 1]);
    const plan = planEvaluation([a!, b!, { ...c!, besides: true }], 1, 200);
    expect(plan).toEqual({ sequences: [150, 50, 200], weights: [1, 1, 0], tokens: 400, scarce: null });
    const short = { ...c!, tokens: positions(11), besides: true };
    expect(planEvaluation([a!, short, b!], 1, 200).sequences).toEqual([150, 10, 50]);
    expect(planEvaluation([a!, short, b!], 1, 2).sequences).toEqual([1, 2, 1]);
  });

  it('takes streams for the mix where there is no other', () => {
    const [a, b] = streamsOf([101, 401]);
    const plan = planEvaluation(
      [a!, b!].map((stream) => ({ ...stream, besides: true })),
      1,
      50,
    );
    expect(plan).toMatchObject({ sequences: [10, 40], scarce: null });
    expect(plan.weights[0]).toBeCloseTo((50 * 101) / 502 / 10, 12);
  });
});
