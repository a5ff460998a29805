/**
 * Pieces of Unigram, found as the Rust library finds them: where two ways to cut a word come to nearly the same score,
 * the order in which scores are added and compared decides.
 */

import { InexactTokenizer } from './parts.ts';

/** What finds the pieces that a word goes on with. */
export interface Pieces {
  common_prefix_search(characters: readonly string[], start: number): Iterable<string>;
}

/** By how much a character that is unknown is below the piece of the least score. */
const UNKNOWN_BELOW = 10;

/**
 * Makes a function that cuts a word into the pieces of the greatest score, characters of no piece being pieces as well.
 *
 * @param unknown the id that stands for what is unknown, or null
 */
export function piecesOf(
  vocab: readonly (readonly [string, number])[],
  unknown: number | null,
  pieces: Pieces,
): (word: string) => string[] {
  const scores = new Map(vocab);
  const ofUnknown =
    vocab.reduce((least, [, score]) => Math.min(least, score), Number.POSITIVE_INFINITY) - UNKNOWN_BELOW;
  return (word) => {
    const characters = Array.from(word);
    const best = new Float64Array(characters.length + 1);
    const from = new Int32Array(characters.length + 1).fill(-1);
    const consider = (start: number, end: number, score: number): void => {
      if (from[end] === -1 || best[start]! + score > best[end]!) {
        best[end] = best[start]! + score;
        from[end] = start;
      }
    };
    for (let start = 0; start < characters.length; start++) {
      let isKnown = false;
      for (const piece of pieces.common_prefix_search(characters, start)) {
        const length = Array.from(piece).length;
        isKnown ||= length === 1;
        consider(start, start + length, scores.get(piece)!);
      }
      if (isKnown) continue;
      if (unknown === null) {
        throw new InexactTokenizer(
          `a text has ${JSON.stringify(characters[start])}, which is no token of tokenizer.json, and its model.unk_id ` +
            'names none for what is unknown; take it out of the text',
        );
      }
      consider(start, start + 1, ofUnknown);
    }
    const found: string[] = [];
    for (let end = characters.length; end > 0; end = from[end]!) {
      found.push(characters.slice(from[end], end).join(''));
    }
    return found.toReversed();
  };
}
