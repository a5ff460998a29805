/** Traces for property tests. */
import * as fc from 'fast-check';
import type { RoutingTrace } from '../src/index.ts';

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
