import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  coActivation,
  compareTraces,
  domainGroups,
  domainSpecialisation,
  expertGroupCounts,
  expertsOf,
  expertTokenCounts,
  mutualInformation,
  type RoutingTrace,
  saturation,
  traceGateMass,
  traceLoads,
  TraceRecorder,
  vocabularySpecialisation,
} from '../src/index.ts';
import { someTrace } from './traces.ts';

/** A trace of one layer: each token's id, domain and experts, whose weights are equal. */
function traceOf(experts: number, tokens: readonly (readonly [number, string, readonly number[]])[]): RoutingTrace {
  const recorder = new TraceRecorder({ experts, limit: tokens.length });
  const slots = Math.max(1, ...tokens.map(([, , chosen]) => chosen.length));
  for (const [id, domain, chosen] of tokens) {
    const padded = Array.from({ length: slots }, (_, slot) => chosen[slot] ?? experts);
    const weights = padded.map((expert) => (expert === experts ? 0 : 1 / chosen.length));
    recorder.add({ domain, tokenIds: [id], layers: [{ experts: padded, weights }] });
  }
  return recorder.trace();
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);
const layersOf = ({ layers }: RoutingTrace): number[] => Array.from({ length: layers }, (_, layer) => layer);

describe('counts', () => {
  test('of experts, domains and vocabulary add up to the same load', () => {
    fc.assert(
      fc.property(someTrace, (trace) => {
        for (const layer of layersOf(trace)) {
          const loads = [...traceLoads(trace, layer)];
          expect(sum(loads)).toBe(
            Array.from(trace.tokenIds, (_, t) => expertsOf(trace, layer, t).length).reduce((a, b) => a + b, 0),
          );
          expect(expertGroupCounts(trace, layer, domainGroups(trace)).map(sum)).toEqual(loads);
          const { joint, tokenIds, occurrences } = expertTokenCounts(trace, layer);
          expect(joint.map(sum)).toEqual(loads);
          expect(sum(occurrences)).toBe(trace.tokens);
          expect([...tokenIds]).toEqual([...new Set(trace.tokenIds)].sort((a, b) => a - b));
        }
      }),
    );
    const trace = traceOf(2, [[0, 'a', [1]]]);
    for (const layer of [1, -1, 0.5]) {
      expect(() => traceLoads(trace, layer)).toThrow(`layer is ${layer}; the trace has layers 0 to 0`);
    }
  });

  test('and gate mass, which is another thing', () => {
    fc.assert(
      fc.property(someTrace, (trace) => {
        const masses = layersOf(trace).map((layer) => sum(traceGateMass(trace, layer)));
        const total = sum(trace.weights);
        expect(Math.abs(sum(masses) - total)).toBeLessThan(1e-9 * Math.max(1, total));
      }),
    );
    const trace = traceOf(3, [[1, 'a', [0, 1]], [2, 'a', [1]]]); // biome-ignore format: a table
    expect([...traceGateMass(trace, 0)]).toEqual([0.5, 1.5, 0]);
    expect([...traceLoads(trace, 0)]).toEqual([1, 2, 0]);
  });

  test('give the mutual information of experts and domains', () => {
    const apart = traceOf(2, [[1, 'a', [0]], [2, 'a', [0]], [1, 'b', [1]], [2, 'b', [1]]]); // biome-ignore format: a table
    expect(mutualInformation(expertGroupCounts(apart, 0, domainGroups(apart)))).toBeCloseTo(Math.LN2, 12);
    expect(mutualInformation(expertTokenCounts(apart, 0).joint)).toBeCloseTo(0, 12);
  });
});

describe('co-activation', () => {
  test('is symmetric in counts, and a share of the tokens of each expert', () => {
    fc.assert(
      fc.property(someTrace, (trace) => {
        fc.pre(trace.experts < 20);
        for (const layer of layersOf(trace)) {
          const { counts, conditional } = coActivation(trace, layer);
          const loads = traceLoads(trace, layer);
          for (let i = 0; i < trace.experts; i++) {
            expect(counts[i]![i]).toBe(loads[i]);
            for (let j = 0; j < trace.experts; j++) {
              expect(counts[i]![j]).toBe(counts[j]![i]);
              if (loads[i] === 0) expect(conditional[i]![j]).toBeNaN();
              else expect(conditional[i]![j]).toBe(counts[i]![j]! / loads[i]!);
            }
          }
        }
      }),
    );
  });

  test('sees all pairs of a token, not neighbours in rank alone', () => {
    const { conditional } = coActivation(traceOf(4, [[0, 'a', [0, 1, 2]], [1, 'a', [0, 3]]]), 0); // biome-ignore format: a table
    expect(conditional.map((row) => [...row])).toEqual([
      [1, 0.5, 0.5, 0.5],
      [1, 1, 1, 0],
      [1, 1, 1, 0],
      [1, 0, 0, 1],
    ]);
  });
});

describe('specialisation', () => {
  test('of domains: shares of each domain, whose sum is the number of experts a token has', () => {
    fc.assert(
      fc.property(someTrace, (trace) => {
        for (const layer of layersOf(trace)) {
          domainSpecialisation(trace, layer).forEach((shares, domain) => {
            const own = Array.from(trace.tokenIds.keys()).filter((t) => trace.domainOf[t] === domain);
            if (own.length === 0) return expect(shares.every(Number.isNaN)).toBe(true);
            const experts = own.map((t) => expertsOf(trace, layer, t).length);
            expect(sum(shares)).toBeCloseTo(sum(experts) / own.length, 10);
            expect(shares.every((share) => share >= 0 && share <= 1)).toBe(true);
          });
        }
      }),
    );
    const trace = traceOf(2, [[1, 'a', [0]], [2, 'a', [0]], [3, 'b', [0]], [4, 'b', [1]]]); // biome-ignore format: a table
    expect(domainSpecialisation(trace, 0).map((row) => [...row])).toEqual([[1, 0], [0.5, 0.5]]); // biome-ignore format: a matrix
  });

  test('of the vocabulary: from the share of all tokens to 1', () => {
    fc.assert(
      fc.property(someTrace, (trace) => {
        for (const layer of layersOf(trace)) {
          const loads = traceLoads(trace, layer);
          vocabularySpecialisation(trace, layer, { minimumOccurrences: 1 }).forEach((share, expert) => {
            if (loads[expert] === 0) return expect(share).toBeNaN();
            expect(share).toBeGreaterThanOrEqual(loads[expert]! / trace.tokens - 1e-12);
            expect(share).toBeLessThanOrEqual(1);
          });
        }
      }),
    );
    const trace = traceOf(2, [[7, 'a', [0]], [7, 'a', [0]], [8, 'a', [0]], [8, 'a', [1]], [9, 'a', [1]]]); // biome-ignore format: a table
    expect([...vocabularySpecialisation(trace, 0, { minimumOccurrences: 2 })]).toEqual([(1 + 1 + 0.5) / 3, 0.5]);
    expect([...vocabularySpecialisation(trace, 0)]).toEqual([Number.NaN, Number.NaN]);
  });
});

describe('two traces of the same tokens', () => {
  test('a trace is saturated with, and equal to, itself; measures keep their bounds', () => {
    fc.assert(
      fc.property(someTrace, (trace) => {
        const all = saturation(trace, trace);
        for (const share of all) if (!Number.isNaN(share)) expect(share).toBe(1);
        for (const difference of compareTraces(trace, trace)) {
          expect(difference).toEqual({ sameExperts: 1, movedWeight: 0, largestDifference: 0 });
        }
        // The same tokens, with one expert in place of another.
        const swapped = {
          ...trace,
          chosen: trace.chosen.map((e) => (e === 0 ? trace.experts - 1 : e === trace.experts - 1 ? 0 : e)),
        };
        const [forth, back] = [compareTraces(trace, swapped), compareTraces(swapped, trace)];
        expect(back).toEqual(forth);
        for (const share of saturation(swapped, trace)) if (!Number.isNaN(share)) expect(share).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('by hand', () => {
    const early = traceOf(4, [[1, 'a', [0, 1]], [2, 'a', [2, 3]], [3, 'a', [0, 3]]]); // biome-ignore format: a table
    const late = traceOf(4, [[1, 'a', [1, 0]], [2, 'a', [2, 0]], [3, 'a', [1, 2]]]); // biome-ignore format: a table
    expect([...saturation(early, late)]).toEqual([0.5]);
    expect(compareTraces(early, late)).toEqual([{ sameExperts: 1 / 3, movedWeight: 0.5, largestDifference: 0.5 }]);
    const fewer = traceOf(4, [[1, 'a', [1, 0]], [2, 'a', [2]], [3, 'a', []]]); // biome-ignore format: a table
    expect([...saturation(early, fewer)]).toEqual([1]);
    // Experts that one of the two has beside those of the other are a difference, either way; empty slots are none.
    for (const [a, b] of [
      [early, fewer],
      [fewer, early],
    ] as const) {
      // biome-ignore format: a list
      expect(compareTraces(a, b)[0]!.sameExperts).toBeCloseTo(1 / 3, 12);
    }
    const withSlot = traceOf(4, [[1, 'a', [0, 1]], [2, 'a', [2]]]); // biome-ignore format: a table
    expect(traceGateMass(withSlot, 0)).toHaveLength(4);
    expect(compareTraces(withSlot, withSlot)[0]).toEqual({ sameExperts: 1, movedWeight: 0, largestDifference: 0 });
    const otherStart = traceOf(4, [[9, 'a', [0, 1]], [2, 'a', [2, 3]], [3, 'a', [0, 3]]]); // biome-ignore format: a table
    expect(() => compareTraces(early, otherStart)).toThrow('token 0 is 1 in one and 9 in the other');
    expect(() => saturation(early, traceOf(4, [[1, 'a', [0, 1]]]))).toThrow('one has 3 tokens, the other 1');
    const otherText = traceOf(4, [[1, 'a', [0, 1]], [5, 'a', [2, 3]], [3, 'a', [0, 3]]]); // biome-ignore format: a table
    expect(() => compareTraces(early, otherText)).toThrow('token 1 is 2 in one and 5 in the other');
  });
});
