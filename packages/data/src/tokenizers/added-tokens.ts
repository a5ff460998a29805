/**
 * The tokens that a `tokenizer.json` adds to those of its model: which ids they have, and how the Rust library takes
 * them out of a text before its model sees the rest.
 */

import { tokenFinder } from './find-tokens.ts';
import { inexact } from './parts.ts';

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Whether it is looked for in the normalised text, as it is when normalised itself. */
  readonly normalized: boolean;
}

/**
 * The first token whose id is not what the Rust library gives it, whatever the file says: that of the vocabulary, or
 * the next one.
 *
 * @param idOf ids of the vocabulary
 * @param size tokens of the vocabulary
 * @returns null where all ids are as they should be
 */
export function findOtherId(
  tokens: readonly Pick<AddedToken, 'id' | 'content'>[],
  idOf: (content: string) => number | undefined,
  size: number,
): { readonly index: number; readonly expected: number } | null {
  const given = new Map<string, number>();
  let next = size;
  for (const [index, { id, content }] of tokens.entries()) {
    const expected = given.get(content) ?? idOf(content) ?? next;
    if (id !== expected) return { index, expected };
    given.set(content, id);
    next = Math.max(next, id + 1);
  }
  return null;
}

/** A part of a text: a token that was added, or normalised text for the model. */
export type Section = { readonly id: number } | { readonly id: null; readonly text: string; readonly isFirst: boolean };

/** Makes a function that cuts a text at the tokens that are added. */
export function sectionsOf(
  tokens: readonly AddedToken[],
  normalize: (text: string) => string,
): (text: string) => Iterable<Section> {
  const ofKind = (normalized: boolean): AddedToken[] => tokens.filter((token) => token.normalized === normalized);
  const cutPlain = cutterOf(formsOf(ofKind(false), (content) => content));
  const cutNormalized = cutterOf(formsOf(ofKind(true), normalize));
  return function* sections(text) {
    for (const plain of cutPlain(text)) {
      if (plain.token !== null) {
        yield { id: plain.token.id };
        continue;
      }
      for (const { token, start, end, within } of cutNormalized(normalize(text.slice(plain.start, plain.end)))) {
        if (token !== null) yield { id: token.id };
        else yield { id: null, text: within.slice(start, end), isFirst: plain.start === 0 && start === 0 };
      }
    }
  };
}

/**
 * Tokens by what they are looked for as.
 *
 * @throws InexactTokenizer where two of them are alike, of which the Rust library takes now the one and now the other,
 *   or where one is nothing
 */
function formsOf(tokens: readonly AddedToken[], formOf: (content: string) => string): Map<string, AddedToken> {
  const forms = new Map<string, AddedToken>();
  for (const token of tokens) {
    const form = formOf(token.content);
    const other = forms.get(form)?.content;
    if (form === '' || other !== undefined) {
      const what =
        form === '' ? 'of which normalizer leaves nothing' : `which is looked for as ${JSON.stringify(other)} is`;
      throw inexact('a content of added_tokens', token.content, what);
    }
    forms.set(form, token);
  }
  return forms;
}

interface Cut {
  readonly token: AddedToken | null;
  readonly start: number;
  readonly end: number;
  /** The text that is cut. */
  readonly within: string;
}

/**
 * Cuts a text as the Rust library does, which may go over the white space behind a token again for the token after it.
 */
function cutterOf(tokens: ReadonlyMap<string, AddedToken>): (text: string) => Iterable<Cut> {
  const find = tokenFinder(tokens.keys());
  return function* cut(within) {
    let done = 0;
    for (const found of find(within)) {
      const token = tokens.get(found.token)!;
      const start = token.lstrip ? Math.max(done, spaceBefore(within, found.start)) : found.start;
      const foundEnd = found.start + found.token.length;
      const end = token.rstrip ? spaceAfter(within, foundEnd) : foundEnd;
      if (done < start) yield { token: null, start: done, end: start, within };
      yield { token, start, end, within };
      done = end;
    }
    if (done < within.length) yield { token: null, start: done, end: within.length, within };
  };
}

/** JavaScript's own white space has U+FEFF and lacks U+0085. */
const SPACE = /^\p{White_Space}$/u;

/** Where the white space that ends at `end` begins. All of it is of one code unit each. */
function spaceBefore(text: string, end: number): number {
  let start = end;
  while (start > 0 && SPACE.test(text[start - 1]!)) start--;
  return start;
}

function spaceAfter(text: string, start: number): number {
  let end = start;
  while (end < text.length && SPACE.test(text[end]!)) end++;
  return end;
}
