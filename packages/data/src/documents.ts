/**
 * Documents, the unit a corpus is made of, and their split into a training and a held-out part.
 */

import { checkSeed, hash32, randomBelow } from './random.ts';

/** One text of a corpus. */
export interface Document {
  /** Unique within its corpus. */
  readonly id: string;
  readonly text: string;
  /** What kind of text it is (`'c4'`, `'arxiv'`, ...), for figures of how experts specialise. */
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
 * held-out characters further from `heldOutFraction` of all. So the share is met to within half of one document, the
 * split does not depend on the order in which the documents are given, and each part keeps that order. With a fraction
 * above 0, each part has at least one document.
 *
 * @throws RangeError when the fraction or the seed is out of range, when ids repeat, or when there are fewer than two
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
  documents: readonly { readonly id: string; readonly characters: number }[],
  { heldOutFraction, seed }: SplitOptions,
): Set<string> {
  checkSplit({ heldOutFraction, seed });
  checkUniqueIds(documents);
  const heldOut = new Set<string>();
  if (heldOutFraction === 0) {
    return heldOut;
  }
  if (documents.length < 2) {
    throw new RangeError(
      `splitDocuments: got ${documents.length} document(s), but holding some out takes at least 2. ` +
        'Give more documents (cut one long text into several), or set heldOutFraction to 0.',
    );
  }

  const ranked = documents
    .map((document) => ({ ...document, rank: hash32(seed, [Math.floor(seed / 2 ** 32), ...codeUnits(document.id)]) }))
    .toSorted((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1));
  const target = heldOutFraction * documents.reduce((sum, { characters }) => sum + characters, 0);
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

/** What a random place is drawn for. */
const PLACE = 0xffff_fffe;

/**
 * The split of a corpus too large to be gone over first: of every `1 / heldOutFraction` documents in a row one is held
 * out, at a place decided by the seed. So the share is met at any length, and where a document belongs does not depend
 * on how many follow it.
 *
 * @returns says whether the document of an index from 0 is held out
 * @throws RangeError when the fraction or the seed is out of range
 */
export function holdOutByPlace(options: SplitOptions): (index: number) => boolean {
  checkSplit(options);
  const { heldOutFraction, seed } = options;
  if (heldOutFraction === 0) {
    return () => false;
  }
  return (index) => {
    const block = Math.floor((index + 0.5) * heldOutFraction);
    // The indices i with floor((i + 0.5) f) = block.
    const first = Math.ceil(block / heldOutFraction - 0.5);
    const end = Math.ceil((block + 1) / heldOutFraction - 0.5);
    return index === first + randomBelow(end - first, seed, PLACE, block);
  };
}

function checkSplit({ heldOutFraction, seed }: SplitOptions): void {
  checkSeed('splitDocuments', seed);
  if (!(heldOutFraction >= 0 && heldOutFraction < 1)) {
    throw new RangeError(`splitDocuments: heldOutFraction must be in [0, 1), got ${heldOutFraction}.`);
  }
}

function checkUniqueIds(documents: readonly { readonly id: string }[]): void {
  const seen = new Set<string>();
  for (const { id } of documents) {
    if (seen.has(id)) {
      throw new RangeError(
        `splitDocuments: two documents have the id ${JSON.stringify(id)}. ` +
          'Ids decide which part a document belongs to, so give each its own.',
      );
    }
    seen.add(id);
  }
}

function codeUnits(text: string): number[] {
  return Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));
}
