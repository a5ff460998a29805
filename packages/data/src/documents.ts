/**
 * Documents, the unit a corpus is made of, and their split into a training and a held-out part.
 */

import { checkSeed, hash32 } from './random.ts';

/** One text of a corpus. */
export interface Document {
  /**
   * Which document it is, wherever it lies: with the seed it decides in which part the document is, so those with the
   * same id are never parted. Of what is read from files, a hash of the text.
   */
  readonly id: string;
  readonly text: string;
  /** What kind of text it is (`'c4'`, `'arxiv'`, ...), for measures of how experts specialise. */
  readonly domain?: string;
}

export interface SplitOptions {
  /** Share of the characters to hold out, in `[0, 1)`; 0 holds nothing out. */
  readonly heldOutFraction: number;
  /** Non-negative integer. */
  readonly seed: number;
}

export interface DocumentSplit {
  readonly training: Document[];
  readonly heldOut: Document[];
}

/**
 * Splits a corpus by document: no document is in both parts, and every document is in one.
 *
 * Documents are ranked by a hash of the seed and their id, and are held out in that order for as long as none takes the
 * held-out characters further from `heldOutFraction` of all; those of one id together. So the share is met to within
 * half of one document, the split does not depend on the order in which the documents are given, and each part keeps
 * that order. With a fraction above 0, each part has at least one document.
 *
 * @throws RangeError when the fraction or the seed is out of range, or when there are fewer than two different
 *   documents to split
 */
export function splitDocuments(documents: readonly Document[], options: SplitOptions): DocumentSplit {
  const heldOut = chooseHeldOut(
    documents.map(({ id, text }) => ({ id, characters: text.length })),
    options,
  );
  return {
    training: documents.filter(({ id }) => !heldOut.has(id)),
    heldOut: documents.filter(({ id }) => heldOut.has(id)),
  };
}

/**
 * What `splitDocuments` holds out, for those who keep no texts.
 *
 * @returns the ids of the documents to hold out
 * @throws RangeError as `splitDocuments` does
 */
export function chooseHeldOut(
  documents: Iterable<{ readonly id: string; readonly characters: number }>,
  options: SplitOptions,
): Set<string> {
  checkSplit(options);
  const { heldOutFraction, seed } = options;
  const heldOut = new Set<string>();
  if (heldOutFraction === 0) {
    return heldOut;
  }
  const sizes = new Map<string, number>();
  for (const { id, characters } of documents) {
    sizes.set(id, (sizes.get(id) ?? 0) + characters);
  }
  if (sizes.size < 2) {
    throw new RangeError(
      `splitDocuments: got ${sizes.size} different document(s), but holding some out takes at least 2. ` +
        'Give more documents (cut one long text into several), or set heldOutFraction to 0.',
    );
  }

  const ranked = Array.from(sizes, ([id, characters]) => ({ id, characters, rank: rankOf(id, seed) })).toSorted(
    (a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1),
  );
  const target = heldOutFraction * ranked.reduce((sum, { characters }) => sum + characters, 0);
  let heldOutCharacters = 0;
  for (const { id, characters } of ranked.slice(0, -1)) {
    const grown = heldOutCharacters + characters;
    if (heldOut.size > 0 && Math.abs(grown - target) > Math.abs(heldOutCharacters - target)) {
      break;
    }
    heldOut.add(id);
    heldOutCharacters = grown;
  }
  return heldOut;
}

/**
 * The split of a corpus that is not gone over first: holds out what has one of the lowest ranks of all that there could
 * be. Where a document belongs depends on nothing but its id and the seed; the share is met on average, so a corpus of
 * a few documents may have none held out.
 *
 * @returns says whether the document of an id is held out
 * @throws RangeError when the fraction or the seed is out of range
 */
export function holdOutByRank(options: SplitOptions): (id: string) => boolean {
  checkSplit(options);
  const { heldOutFraction, seed } = options;
  return (id) => rankOf(id, seed) < heldOutFraction * 2 ** 32;
}

/** @returns an unsigned 32-bit integer */
function rankOf(id: string, seed: number): number {
  const codeUnits = Array.from({ length: id.length }, (_, index) => id.charCodeAt(index));
  return hash32(seed, [Math.floor(seed / 2 ** 32), ...codeUnits]);
}

function checkSplit({ heldOutFraction, seed }: SplitOptions): void {
  checkSeed('splitDocuments', seed);
  if (!(heldOutFraction >= 0 && heldOutFraction < 1)) {
    throw new RangeError(`splitDocuments: heldOutFraction must be in [0, 1), got ${heldOutFraction}.`);
  }
}
