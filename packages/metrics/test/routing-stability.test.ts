import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expertsOf, independentOverlap, type RoutingTrace, saturation, traceLoads } from '../src/index.ts';
import { drawnTrace, someTrace } from './traces.ts';

/** The trace whose token t routes as token `t + by` does. */
function shifted(trace: RoutingTrace, by: number): RoutingTrace {
  const { layers, tokens, slots } = trace;
  const chosen = trace.chosen.slice();
  for (let layer = 0; layer < layers; layer++) {
    for (let token = 0; token < tokens; token++) {
      const from = (layer * tokens + ((token + by) % tokens)) * slots;
      chosen.set(trace.chosen.subarray(from, from + slots), (layer * tokens + token) * slots);
    }
  }
  return { ...trace, chosen };
}

/** Other experts for the same tokens. */
function reversed(trace: RoutingTrace): RoutingTrace {
  return { ...trace, chosen: trace.chosen.map((e) => (e === trace.experts ? e : trace.experts - 1 - e)) };
}

describe('overlap of independent routings', () => {
  test('is the mean saturation over all ways to set the tokens of one against those of the other', () => {
    fc.assert(
      fc.property(someTrace, (trace) => {
        const final = reversed(trace);
        const level = independentOverlap(trace, final);
        // Every token meets every other one once in as many shifts as there are tokens.
        const shifts = Array.from({ length: trace.tokens }, (_, by) => saturation(shifted(trace, by), final));
        for (const [layer, value] of level.entries()) {
          const mean = shifts.reduce((sum, each) => sum + each[layer]! / trace.tokens, 0);
          if (Number.isNaN(mean)) expect(value).toBeNaN();
          else expect(value).toBeCloseTo(mean, 12);
        }
      }),
    );
  });

  test('is sum p q / k, and k / M where loads are even', () => {
    const [a, b] = [1, 2].map((seed) => drawnTrace(seed, { tokens: 200, experts: 8, topK: 2, uneven: true }));
    const [p, q] = [a!, b!].map((trace) => traceLoads(trace, 0).map((load) => load / 200));
    const expected = p!.reduce((sum, share, expert) => sum + (share * q![expert]!) / 2, 0);
    const same = { ...b!, tokenIds: a!.tokenIds };
    expect(independentOverlap(a!, same)[0]).toBeCloseTo(expected, 12);
    // Token t goes to t and t + 1: every expert gets as many.
    const round = { ...a!, chosen: a!.chosen.map((_, i) => (Math.floor(i / 2) + (i % 2)) % 8) };
    expect(expertsOf(round, 0, 7)).toEqual([7, 0]);
    expect(independentOverlap(round, round)[0]).toBeCloseTo(2 / 8, 12);
    expect(() => independentOverlap(a!, drawnTrace(1, { tokens: 5 }))).toThrow('the traces cannot be compared');
  });
});
