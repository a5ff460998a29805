/** Traces for property tests. */
import * as fc from 'fast-check';
import type { RoutingTrace } from '../src/index.ts';
import { Random } from '../src/random.ts';

/** What `drawnTrace` draws. */
interface DrawnTrace {
  readonly tokens: number;
  readonly experts?: number;
  readonly topK?: number;
  /** Whether experts with low numbers are chosen more often. */
  readonly uneven?: boolean;
}

/** A trace of one layer and one domain whose tokens go to experts at random, all slots filled. */
export function drawnTrace(seed: number, { tokens, experts = 4, topK = 1, uneven = false }: DrawnTrace): RoutingTrace {
  const random = new Random(seed);
  const rows = Array.from({ length: tokens }, () => {
    const scored = Array.from({ length: experts }, (_, expert) => ({
      expert,
      score: random.uniform() / (uneven ? 1 + expert : 1),
    }));
    return scored
      .toSorted((a, b) => b.score - a.score)
      .slice(0, topK)
      .map(({ expert }) => expert);
  });
  return {
    layers: 1,
    experts,
    slots: topK,
    tokens,
    tokenIds: Int32Array.from(rows, () => random.below(20)),
    domains: ['text'],
    domainOf: new Uint16Array(tokens),
    chosen: Uint16Array.from(rows.flat()),
    weights: new Float32Array(tokens * topK).fill(1 / topK),
  };
}

/** Small traces of several domains, some slots empty. */
export const someTrace: fc.Arbitrary<RoutingTrace> = fc
  .record({
    layers: fc.integer({ min: 1, max: 3 }),
    experts: fc.constantFrom(1, 2, 5, 8, 255, 300),
    tokens: fc.integer({ min: 1, max: 12 }),
    domains: fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 3 }),
  })
  .chain(({ layers, experts, tokens, domains }) =>
    fc.integer({ min: 1, max: Math.min(experts, 4) }).chain((slots) => {
      const row = fc.uniqueArray(fc.nat({ max: experts - 1 }), { maxLength: slots });
      const times = <T>(of: fc.Arbitrary<T>, length: number): fc.Arbitrary<T[]> =>
        fc.array(of, { minLength: length, maxLength: length });
      return fc
        .record({
          rows: times(row, layers * tokens),
          numbers: times(fc.float({ min: 0, max: 4, noNaN: true }), layers * tokens * slots),
          ids: times(fc.integer({ min: 0, max: 5 }), tokens),
          domainOf: times(fc.nat({ max: domains.length - 1 }), tokens),
        })
        .map(({ rows, numbers, ids, domainOf }) => {
          const chosen = Uint16Array.from(
            rows.flatMap((row) => Array.from({ length: slots }, (_, slot) => row[slot] ?? experts)),
          );
          const weights = Float32Array.from(numbers, (number, i) => (chosen[i] === experts ? 0 : number));
          const tokenIds = Int32Array.from(ids);
          return {
            layers,
            experts,
            slots,
            tokens,
            tokenIds,
            domains,
            domainOf: Uint16Array.from(domainOf),
            chosen,
            weights,
          };
        });
    }),
  );
