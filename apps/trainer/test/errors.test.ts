import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, unknownName } from '../src/errors.ts';

describe('editDistance', () => {
  it('counts insertions, deletions and replacements', () => {
    expect(editDistance('kitten', 'sitting')).toBe(3);
    expect(editDistance('', 'abc')).toBe(3);
  });

  it('is a metric', () => {
    const word = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(word, word, word, (a, b, c) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
      }),
    );
  });
});

describe('unknownName', () => {
  it('lists what is known, with the nearest where one is near', () => {
    const known = ['tiny', 'quick', 'small'];
    expect(unknownName('preset', 'tinny', known).message).toBe(
      'unknown preset "tinny". Did you mean tiny? Known: tiny, quick, small',
    );
    expect(unknownName('preset', 'enormous', known).message).toBe(
      'unknown preset "enormous". Known: tiny, quick, small',
    );
  });
});
