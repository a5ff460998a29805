import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mixture } from '../src/mixture.ts';

const WEIGHT = fc.oneof(fc.double({ min: 1e-9, max: 1e9, noNaN: true }), fc.integer({ min: 1, max: 10 }));

describe('Mixture', () => {
  it('shares out whole thousandths, as near to the weights as can be, none left out', () => {
    fc.assert(
      fc.property(fc.array(WEIGHT, { minLength: 1, maxLength: 20 }), (weights) => {
        const { shares } = new Mixture(weights, 0);
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(1000);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        for (const [stream, share] of shares.entries()) {
          expect(share).toBeGreaterThanOrEqual(1);
          // What brings the least up to one comes from the others.
          expect(Math.abs(share - (1000 * weights[stream]!) / total)).toBeLessThan(weights.length);
        }
      }),
    );
    expect(new Mixture([0.7, 0.3], 0).shares).toEqual([700, 300]);
    expect(new Mixture([6, 3, 1], 0).shares).toEqual([600, 300, 100]);
    expect(new Mixture([1, 1, 1], 0).shares).toEqual([334, 333, 333]);
    expect(new Mixture([1e-6, 1, 1e-6], 0).shares).toEqual([1, 998, 1]);
  });

  it('deals every sequence of a stream once, in order', () => {
    fc.assert(
      fc.property(fc.array(WEIGHT, { minLength: 1, maxLength: 5 }), fc.nat(), (weights, seed) => {
        const mixture = new Mixture(weights, seed);
        const next = weights.map(() => 0);
        for (let sequence = 0; sequence < 2500; sequence++) {
          const { stream, index } = mixture.at(sequence);
          // Within a block the streams come in any order, but each stream's sequences in theirs.
          expect(index).toBe(next[stream]!++);
        }
      }),
      { numRuns: 5 },
    );
  });

  it('mixes differently in each block and with each seed', () => {
    const streamsOf = (seed: number, block: number): string => {
      const mixture = new Mixture([1, 1], seed);
      return Array.from({ length: 1000 }, (_, place) => mixture.at(1000 * block + place).stream).join('');
    };
    expect(new Set([streamsOf(0, 0), streamsOf(0, 1), streamsOf(1, 0)]).size).toBe(3);
    expect(streamsOf(0, 1)).toBe(streamsOf(0, 1));
  });

  it('says what is wrong', () => {
    expect(() => new Mixture([], 0)).toThrow(/takes 1 to 1000 streams, got 0/);
    expect(() => new Mixture([1, -1], 0)).toThrow(/a weight must be a positive number, got -1\. Leave the source out/);
    expect(() => new Mixture([Number.POSITIVE_INFINITY], 0)).toThrow(/got Infinity/);
  });
});
