import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { balanceMeasures, tokenTypeFloor } from '../src/index.ts';

/** All choices of k of the experts. */
function choices(experts: number, topK: number, from = 0): number[][] {
  if (topK === 0) return [[]];
  return Array.from({ length: Math.max(0, experts - from) }, (_, i) => from + i).flatMap((first) =>
    choices(experts, topK - 1, first + 1).map((rest) => [first, ...rest]),
  );
}

/** The loads of every way to send types to experts. */
function assignments(counts: readonly number[], experts: number, topK: number): number[][] {
  return counts.reduce<number[][]>(
    (all, count) =>
      all.flatMap((loads) =>
        choices(experts, topK).map((chosen) =>
          loads.map((load, expert) => load + (chosen.includes(expert) ? count : 0)),
        ),
      ),
    [Array.from({ length: experts }, () => 0)],
  );
}

describe('the floor of token types', () => {
  it('is above no assignment, in any measure', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }).chain((experts) =>
          fc.record({
            experts: fc.constant(experts),
            topK: fc.integer({ min: 1, max: experts }),
            counts: fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 4 }),
          }),
        ),
        ({ experts, topK, counts }) => {
          const { loads } = tokenTypeFloor(counts, { experts, topK });
          for (const assigned of assignments(counts, experts, topK)) {
            for (const { key, of, growsWithBalance } of balanceMeasures) {
              const [floor, value] = [of(loads), of(assigned)];
              if (Number.isNaN(value)) continue;
              const beyond = growsWithBalance ? value - floor : floor - value;
              expect(beyond, `${key} of ${assigned.join()}, floor ${[...loads].join()}`).toBeLessThan(1e-9);
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('is reached where rare types fill what frequent ones leave', () => {
    // One type is half of the text, for 1 expert in 4: the other three share the rest.
    const floor = tokenTypeFloor([2, 60, 20, 18, 20], { experts: 4, topK: 1 });
    expect([...floor.loads]).toEqual([60, 20, 20, 20]);
    expect(floor.frequent).toEqual([1]);
    expect(floor.share).toBe(0.5);
  });

  it('gives every expert of a frequent type its tokens', () => {
    const { loads, frequent } = tokenTypeFloor([50, 30, 10, 10], { experts: 8, topK: 2 });
    expect([...loads]).toEqual([50, 50, 30, 30, 10, 10, 10, 10]);
    expect(frequent).toEqual([0, 1]);
  });

  it('is balance where no type is more than a fair share, or each token goes everywhere', () => {
    expect(tokenTypeFloor([5, 5, 5, 5], { experts: 4, topK: 1 })).toEqual({
      loads: Float64Array.of(5, 5, 5, 5),
      frequent: [],
      share: 0,
    });
    expect([...tokenTypeFloor([9, 1], { experts: 3, topK: 3 }).loads]).toEqual([10, 10, 10]);
  });

  it('of no tokens is no load', () => {
    expect(tokenTypeFloor([0, 0], { experts: 2, topK: 1 })).toEqual({
      loads: Float64Array.of(0, 0),
      frequent: [],
      share: 0,
    });
  });

  it('refuses what it cannot route', () => {
    expect(() => tokenTypeFloor([1], { experts: 2, topK: 3 })).toThrow('topK is 3; it must be an integer from 1 to 2');
    expect(() => tokenTypeFloor([1, -1], { experts: 2, topK: 1 })).toThrow('counts[1] is -1');
    expect(() => tokenTypeFloor([], { experts: 2, topK: 1 })).toThrow('counts is empty');
  });
});
