import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { holdOutByPlace, splitDocuments } from '../src/documents.ts';

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
    expect(() => split([document], 0.1)).toThrow(/got 1 document\(s\).*at least 2/);
    expect(() => split([document, document], 0.1)).toThrow(/two documents have the id "a"/);
    expect(() => split([document], 1)).toThrow(/heldOutFraction must be in \[0, 1\), got 1/);
    expect(() => split([document], Number.NaN)).toThrow(/heldOutFraction/);
    expect(() => split([document], 0, -1)).toThrow(/seed must be a non-negative integer/);
  });
});

describe('holdOutByPlace', () => {
  const FRACTION = fc.double({ min: 0.001, max: 0.999, noNaN: true });

  it('meets the share at any length, decided by the seed alone', () => {
    fc.assert(
      fc.property(FRACTION, fc.nat(), fc.nat({ max: 3000 }), (heldOutFraction, seed, length) => {
        const isHeldOut = holdOutByPlace({ heldOutFraction, seed });
        const places = Array.from({ length }, (_, index) => isHeldOut(index));
        const count = places.filter(Boolean).length;
        expect(Math.abs(count - heldOutFraction * length)).toBeLessThanOrEqual(2);
        const again = holdOutByPlace({ heldOutFraction, seed });
        expect(places.toReversed()).toEqual(places.map((_, index) => again(length - 1 - index)));
      }),
      { numRuns: 100 },
    );
  });

  it('holds out other places with another seed, none where nothing is to be held out', () => {
    const placesOf = (seed: number, heldOutFraction: number): number[] => {
      const isHeldOut = holdOutByPlace({ heldOutFraction, seed });
      return Array.from({ length: 200 }, (_, index) => index).filter(isHeldOut);
    };
    expect(placesOf(0, 0.1)).toHaveLength(20);
    expect(placesOf(1, 0.1)).not.toEqual(placesOf(0, 0.1));
    expect(new Set(placesOf(0, 0.1).map((place) => place % 10)).size).toBeGreaterThan(3);
    expect(placesOf(0, 0)).toEqual([]);
  });

  it('says what is wrong', () => {
    expect(() => holdOutByPlace({ heldOutFraction: 1, seed: 0 })).toThrow(/heldOutFraction must be in \[0, 1\), got 1/);
    expect(() => holdOutByPlace({ heldOutFraction: 0.5, seed: 0.5 })).toThrow(/seed must be/);
  });
});
