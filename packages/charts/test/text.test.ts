/** Names cut to their room. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shortNames, textWidth } from '../src/text.ts';

describe('short names', () => {
  it('are cut in the middle where they begin alike, and at the end otherwise', () => {
    const names = ['temperature 1, rate 0', 'temperature 1, rate 1', 'something else that is long'];
    const short = shortNames(names, 90, 12);
    expect(short[0]).toMatch(/^temp.*….*rate 0$/);
    expect(short[1]).toMatch(/^temp.*….*rate 1$/);
    expect(short[2]).toMatch(/^something.*…$/);
    expect(shortNames(['a', 'b'], 90, 12)).toEqual(['a', 'b']);
  });

  it('differ from each other and keep to their room, whatever they are', () => {
    const piece = fc.constantFrom('Qwen3-MoE-LPR', ', seed 1', ', strength', ' 0.2', 'long'.repeat(20), '\n', 'ж');
    const name = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(fc.array(name, { maxLength: 12 }), fc.integer({ min: 60, max: 300 }), (names, width) => {
        const short = shortNames(names, width, 12);
        expect(new Set(short).size).toBe(names.length);
        for (const each of short) expect(textWidth(each, 12)).toBeLessThanOrEqual(width);
      }),
    );
  });
});
