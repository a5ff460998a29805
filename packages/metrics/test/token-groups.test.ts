import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  domainGroups,
  domainSpecialisation,
  expertGroupCounts,
  expertsOf,
  frequencyGroups,
  groupInformation,
  groupShares,
  mutualInformation,
  positionGroups,
  type RoutingTrace,
  type TokenGroups,
  traceLoads,
} from '../src/index.ts';
import { Random } from '../src/random.ts';
import { drawnTrace, someTrace } from './traces.ts';

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);

function checkGroups({ names, of }: TokenGroups, { tokens }: RoutingTrace): void {
  expect(of).toHaveLength(tokens);
  expect(new Set(names).size).toBe(names.length);
  // Every group has a token.
  expect(new Set(Array.from(of))).toEqual(new Set(names.keys()));
}

describe('groups', () => {
  test('of positions start again with each domain and each sequence', () => {
    const trace = { ...drawnTrace(1, { tokens: 10 }), domains: ['a', 'b'], domainOf: Uint16Array.of(0, 0, 0, 0, 0, 0, 0, 1, 1, 1) }; // biome-ignore format: a list
    const groups = positionGroups(trace, 4, 2);
    expect(groups.names).toEqual(['0-1', '2-3']);
    expect([...Array.from(groups.of)]).toEqual([0, 0, 1, 1, 0, 0, 1, 0, 0, 1]);
    expect(positionGroups(trace, 4).names).toEqual(['0', '1', '2', '3']);
    // The last range is shorter where the parts do not divide the sequence.
    expect(positionGroups(trace, 7, 3).names).toEqual(['0-2', '3-5', '6']);
    // No sequence is as long as said.
    expect(positionGroups(trace, 16, 4).names).toEqual(['0-3', '4-7']);
    expect(() => positionGroups(trace, 0)).toThrow('sequence is 0');
    expect(() => positionGroups(trace, 4, 0)).toThrow('parts is 0');
  });

  test('of frequencies hold about equally many tokens, and each id whole', () => {
    const ids = [7, 7, 7, 7, 5, 5, 9, 9, 1, 2, 3, 4];
    const trace = { ...drawnTrace(1, { tokens: ids.length }), tokenIds: Int32Array.from(ids) };
    const groups = frequencyGroups(trace, 3);
    expect(groups.names).toEqual(['1', '2-3', '4-7']);
    expect([...Array.from(groups.of)]).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    // One id that is most of the text is in the middle of what it fills.
    const same = { ...trace, tokenIds: Int32Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1) };
    expect(frequencyGroups(same, 3)).toEqual({ names: ['1', '2'], of: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] });
    expect(() => frequencyGroups(trace, 0)).toThrow('parts is 0');
  });

  test('hold every token once', () => {
    fc.assert(
      fc.property(
        someTrace,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 9 }),
        (trace, length, parts) => {
          checkGroups(positionGroups(trace, length, parts), trace);
          const byFrequency = frequencyGroups(trace, parts);
          checkGroups(byFrequency, trace);
          const groupOf = new Map(Array.from(trace.tokenIds, (id, token) => [id, byFrequency.of[token]!]));
          trace.tokenIds.forEach((id, token) => expect(byFrequency.of[token]).toBe(groupOf.get(id)));
        },
      ),
    );
  });
});

describe('loads of groups', () => {
  test('add up to those of all tokens', () => {
    fc.assert(
      fc.property(someTrace, (trace) => {
        for (const groups of [domainGroups(trace), positionGroups(trace, 5, 2), frequencyGroups(trace, 3)]) {
          const loads = [...traceLoads(trace, 0)];
          expect(expertGroupCounts(trace, 0, groups).map(sum)).toEqual(loads);
          const sizes = groups.names.map((_, group) => Array.from(groups.of).filter((of) => of === group).length);
          const shares = groupShares(trace, 0, groups);
          loads.forEach((load, expert) => {
            const parts = shares.map((row, group) => (sizes[group] === 0 ? 0 : row[expert]! * sizes[group]!));
            expect(sum(parts)).toBeCloseTo(load, 9);
          });
        }
        expect(domainSpecialisation(trace, 0)).toEqual(groupShares(trace, 0, domainGroups(trace)));
      }),
    );
  });
});

describe('information about the group', () => {
  test('is that of the joint counts, and its level is 0 where there is one group or every expert', () => {
    fc.assert(
      fc.property(someTrace, (trace) => {
        const groups = frequencyGroups(trace, 3);
        const { nats, independent } = groupInformation(trace, 0, groups);
        expect(nats).toEqual(mutualInformation(expertGroupCounts(trace, 0, groups)));
        if (sum(traceLoads(trace, 0)) > 0) expect(independent).toBeGreaterThanOrEqual(-1e-12);
        const one = { names: ['all'], of: Array.from(trace.tokenIds, () => 0) };
        if (sum(traceLoads(trace, 0)) > 0) {
          const alone = groupInformation(trace, 0, one);
          expect(alone.nats).toBeCloseTo(0, 12);
          expect(Math.abs(alone.independent)).toBe(0);
        }
      }),
    );
    const everywhere = drawnTrace(1, { tokens: 40, experts: 3, topK: 3 });
    expect(groupInformation(everywhere, 0, positionGroups(everywhere, 8, 2)).independent).toBeCloseTo(0, 12);
  });

  /** The same groups for other tokens. */
  function shuffled({ names, of }: TokenGroups, random: Random): TokenGroups {
    const dealt = Array.from(of);
    for (let i = dealt.length - 1; i > 0; i--) {
      const other = random.below(i + 1);
      [dealt[i], dealt[other]] = [dealt[other]!, dealt[i]!];
    }
    return { names, of: dealt };
  }

  test('has, on average, its level where tokens are dealt to groups at random, however uneven the loads', () => {
    const random = new Random(5);
    for (const topK of [1, 3]) {
      const trace = drawnTrace(2, { tokens: 3000, experts: 8, topK, uneven: true });
      const groups = positionGroups(trace, 60, 6);
      const { independent } = groupInformation(trace, 0, groups);
      const draws = Array.from({ length: 60 }, () => groupInformation(trace, 0, shuffled(groups, random)).nats);
      // 35 degrees of freedom in each of 60 draws: a standard error of 3 %.
      expect(sum(draws) / draws.length / independent).toBeGreaterThan(0.9);
      expect(sum(draws) / draws.length / independent).toBeLessThan(1.1);
    }
  });

  test('has exactly the chi-square that is said, over all ways to deal tokens to two groups', () => {
    // Two of five tokens are of the first group: ten ways.
    const trace = drawnTrace(3, { tokens: 5, experts: 4, topK: 2, uneven: true });
    const loads = traceLoads(trace, 0);
    const chiSquares: number[] = [];
    for (let a = 0; a < 5; a++) {
      for (let b = 0; b < a; b++) {
        const sizes = [2, 3];
        let chiSquare = 0;
        for (let expert = 0; expert < 4; expert++) {
          if (loads[expert] === 0) continue;
          for (const group of [0, 1]) {
            const expected = (loads[expert]! * sizes[group]!) / 5;
            const members = [0, 1, 2, 3, 4].filter((token) => (token === a || token === b) === (group === 0));
            const found = members.filter((token) => expertsOf(trace, 0, token).includes(expert)).length;
            chiSquare += (found - expected) ** 2 / expected;
          }
        }
        chiSquares.push(chiSquare);
      }
    }
    const groups = { names: ['first', 'second'], of: [0, 0, 1, 1, 1] };
    const { independent } = groupInformation(trace, 0, groups);
    expect(sum(chiSquares) / 10).toBeCloseTo(2 * 10 * independent, 12);
  });
});
