import { describe, expect, it } from 'vitest';
import { unknownName } from '../src/cli/errors.ts';

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
