/** How long a text may be; apart from what reads it, so that the page need not load that. */

/** Characters: enough for a few batches, and as many as are read at once. */
export const LEAST_TEXT = 2000;
export const MOST_TEXT = 2_000_000;

/** What is wrong with a text, in words for its reader; null where nothing is. */
export function textProblem(text: string): string | null {
  const characters = text.trim().length;
  const told = characters.toLocaleString('en');
  if (characters < LEAST_TEXT) {
    return `This text is too short to learn from: it has ${told} characters, and ${LEAST_TEXT.toLocaleString('en')} are the least. A few pages are good.`;
  }
  if (characters > MOST_TEXT) {
    return `This text is too long for a page: it has ${told} characters, and ${MOST_TEXT.toLocaleString('en')} are the most. Take a part of it.`;
  }
  return null;
}
