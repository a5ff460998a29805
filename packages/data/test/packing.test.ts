import { describe, expect, it } from 'vitest';
import { packTokens } from '../src/packing.ts';

describe('packTokens', () => {
  const documents = [Int32Array.of(1, 2), Int32Array.of(), Int32Array.of(3)];

  it('ends every document with the end-of-text token', () => {
    expect(packTokens(documents, 9)).toEqual(Int32Array.of(1, 2, 9, 9, 3, 9));
  });

  it('joins documents as they are where there is no such token', () => {
    expect(packTokens(documents, null)).toEqual(Int32Array.of(1, 2, 3));
    expect(packTokens([], 9)).toEqual(Int32Array.of());
  });

  it('can end documents with token 0', () => {
    expect(packTokens(documents.slice(2), 0)).toEqual(Int32Array.of(3, 0));
  });
});
