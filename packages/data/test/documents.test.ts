import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitDocuments } from '../src/documents.ts';

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
