import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseHeldOut, holdOutByRank, splitDocuments } from '../src/documents.ts';

const DOCUMENTS = fc
  .array(fc.nat({ max: 300 }), { minLength: 2, maxLength: 40 })
  .map((lengths) => lengths.map((length, index) => ({ id: `document ${index}`, text: 'x'.repeat(length) })));
const SEED = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const FRACTION = fc.double({ min: 0.001, max: 0.999, noNaN: true });

const characters = (documents: readonly { text: string }[]): number =>
  documents.reduce((sum, { text }) => sum + text.length, 0);

describe('splitDocuments', () => {
  it('puts every document in one part, in the given order, and leaves no part empty', () => {
    fc.assert(
      fc.property(DOCUMENTS, FRACTION, SEED, (documents, heldOutFraction, seed) => {
        const { training, heldOut } = splitDocuments(documents, { heldOutFraction, seed });
        expect(training.length).toBeGreaterThan(0);
        expect(heldOut.length).toBeGreaterThan(0);
        const heldOutIds = new Set(heldOut.map(({ id }) => id));
        expect(training).toEqual(documents.filter(({ id }) => !heldOutIds.has(id)));
        expect(heldOut).toEqual(documents.filter(({ id }) => heldOutIds.has(id)));
      }),
    );
  });

  it('does not depend on the order of the documents', () => {
    fc.assert(
      fc.property(DOCUMENTS, FRACTION, SEED, (documents, heldOutFraction, seed) => {
        const ids = (given: typeof documents): string[] =>
          splitDocuments(given, { heldOutFraction, seed })
            .heldOut.map(({ id }) => id)
            .toSorted();
        expect(ids(documents.toReversed())).toEqual(ids(documents));
      }),
    );
  });

  it('meets the fraction to within half of the longest document, when that is not more than the share to hold out', () => {
    fc.assert(
      fc.property(DOCUMENTS, fc.double({ min: 0.2, max: 0.8, noNaN: true }), SEED, (documents, fraction, seed) => {
        const longest = Math.max(...documents.map(({ text }) => text.length));
        const target = fraction * characters(documents);
        fc.pre(longest <= target && longest <= characters(documents) - target);
        const { heldOut } = splitDocuments(documents, { heldOutFraction: fraction, seed });
        expect(Math.abs(characters(heldOut) - target)).toBeLessThanOrEqual(longest / 2 + 1e-9);
      }),
    );
  });

  it('never parts documents of one id', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 5 }), { minLength: 2, maxLength: 40 }),
        FRACTION,
        SEED,
        (ids, fraction, seed) => {
          fc.pre(new Set(ids).size > 1);
          const documents = ids.map((id) => ({ id: `document ${id}`, text: 'x'.repeat(id + 1) }));
          const { training, heldOut } = splitDocuments(documents, { heldOutFraction: fraction, seed });
          expect(training.length + heldOut.length).toBe(documents.length);
          expect(training.length).toBeGreaterThan(0);
          expect(heldOut.length).toBeGreaterThan(0);
          const trained = new Set(training.map(({ id }) => id));
          expect(heldOut.some(({ id }) => trained.has(id))).toBe(false);
        },
      ),
    );
  });

  it('differs between seeds', () => {
    const documents = Array.from({ length: 50 }, (_, index) => ({ id: `${index}`, text: 'text' }));
    const heldOut = (seed: number): string =>
      splitDocuments(documents, { heldOutFraction: 0.2, seed })
        .heldOut.map(({ id }) => id)
        .join();
    expect(new Set([0, 1, 2, 2 ** 32].map(heldOut)).size).toBe(4);
    expect(heldOut(1)).toBe(heldOut(1));
  });

  it('holds nothing out at fraction 0', () => {
    const documents = [{ id: 'only', text: 'text', domain: 'notes' }];
    expect(splitDocuments(documents, { heldOutFraction: 0, seed: 1 })).toEqual({ training: documents, heldOut: [] });
  });

  it('says what is wrong', () => {
    const document = { id: 'a', text: 'text' };
    const split = (documents: (typeof document)[], heldOutFraction: number, seed = 0) =>
      splitDocuments(documents, { heldOutFraction, seed });
    expect(() => split([document], 0.1)).toThrow(/got 1 different document\(s\).*at least 2/);
    expect(() => split([document, document], 0.1)).toThrow(/got 1 different document\(s\).*at least 2/);
    expect(() => split([document], 1)).toThrow(/heldOutFraction must be in \[0, 1\), got 1/);
    expect(() => split([document], Number.NaN)).toThrow(/heldOutFraction/);
    expect(() => split([document], 0, -1)).toThrow(/seed must be a non-negative integer/);
  });
});

describe('holdOutByRank', () => {
  const ids = Array.from({ length: 5000 }, (_, index) => `document ${index}`);

  it('meets the share on average, decided by id and seed alone', () => {
    fc.assert(
      fc.property(FRACTION, SEED, (heldOutFraction, seed) => {
        const isHeldOut = holdOutByRank({ heldOutFraction, seed });
        const count = ids.filter(isHeldOut).length;
        // Five standard deviations of a binomial count.
        const deviation = Math.sqrt(ids.length * heldOutFraction * (1 - heldOutFraction));
        expect(Math.abs(count - heldOutFraction * ids.length)).toBeLessThanOrEqual(5 * deviation + 1);
      }),
      { numRuns: 40 },
    );
  });

  it('holds out the documents that are held out first where all are seen', () => {
    const options = { heldOutFraction: 0.1, seed: 7 };
    const chosen = chooseHeldOut(
      ids.map((id) => ({ id, characters: 10 })),
      options,
    );
    const byRank = ids.filter(holdOutByRank(options));
    const [few, many] = chosen.size < byRank.length ? [chosen, new Set(byRank)] : [new Set(byRank), chosen];
    expect([...few].every((id) => many.has(id))).toBe(true);
  });

  it('holds out others with another seed, none where nothing is to be held out', () => {
    const heldOut = (seed: number, heldOutFraction: number) => ids.filter(holdOutByRank({ heldOutFraction, seed }));
    expect(heldOut(0, 0.1)).not.toEqual(heldOut(1, 0.1));
    expect(heldOut(0, 0)).toEqual([]);
  });

  it('says what is wrong', () => {
    expect(() => holdOutByRank({ heldOutFraction: 1, seed: 0 })).toThrow(/heldOutFraction must be in \[0, 1\), got 1/);
    expect(() => holdOutByRank({ heldOutFraction: 0.5, seed: 0.5 })).toThrow(/seed must be/);
  });
});
