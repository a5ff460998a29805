/** Texts that can be learnt from, and words for those that cannot. */
import { describe, expect, it } from 'vitest';
import { addresses } from '../scripts/addresses.ts';
import { readCorpus, TextError } from '../src/corpus.ts';
import { LEAST_TEXT, MOST_TEXT, textProblem } from '../src/corpus-limits.ts';
import { BATCH, SEQUENCE, VOCABULARY } from '../src/model.ts';

describe('a text', () => {
  it('is cut into tokens, the end of which is held out', () => {
    const text = addresses().slice(0, 30_000);
    const { tokenizer, training, heldOut } = readCorpus(text);
    expect(tokenizer.decode(training) + tokenizer.decode(heldOut)).toBe(text);
    expect(heldOut.length).toBe(4 * SEQUENCE);
    expect(tokenizer.vocabularySize).toBe(VOCABULARY);
  });

  it('may be as short as the limit says, in any language', () => {
    // Characters that follow each other without a rule.
    const made = (first: number, count: number): string =>
      String.fromCodePoint(
        ...Array.from({ length: LEAST_TEXT }, (_, i) => first + (Math.floor(1e6 * Math.sin(i + 1) ** 2) % count)),
      );
    for (const text of [addresses().slice(0, LEAST_TEXT + 50), made(0x4e00, 997), made(0x1f600, 71)]) {
      const { training } = readCorpus(text);
      expect(training.length).toBeGreaterThan(BATCH * SEQUENCE);
    }
  });

  it('that is too short, too long or all the same is refused in words for its reader', () => {
    expect(textProblem('Too short.')).toMatch(/too short .* 10 characters, and 2,000/);
    expect(textProblem(' '.repeat(5000))).toMatch(/too short .* 0 characters/);
    expect(textProblem('long '.repeat(MOST_TEXT / 4))).toMatch(/too long .* 2,000,000/);
    expect(textProblem('a'.repeat(LEAST_TEXT))).toBeNull();
    expect(() => readCorpus('Too short.')).toThrow(TextError);
    expect(() => readCorpus('a'.repeat(3000))).toThrow(/repeats itself/);
  });

  it('comes with the page: public-domain addresses', () => {
    const text = addresses();
    expect(textProblem(text)).toBeNull();
    expect(text.length).toBeGreaterThan(100_000);
    // Lincoln, Roosevelt, Kennedy, Reagan, Obama.
    for (const words of ['slavery', 'freedom of speech', 'Laos', 'Challenger', "We don't quit"]) {
      expect(text.includes(words), words).toBe(true);
    }
  });
});
