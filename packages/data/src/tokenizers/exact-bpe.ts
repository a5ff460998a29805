/**
 * Characters that byte-pair encoding has no token for. The Rust library puts in what is unknown before it merges,
 * `@huggingface/tokenizers` after: the ids are the same where no merge takes what is put in.
 */

import { BYTE_CHARACTERS } from './byte-level.ts';
import { damaged, inexact, isPart, type Part } from './parts.ts';
import type { BpeFile } from './file-schema.ts';

/**
 * Checks the merges, and how unknown characters are treated.
 *
 * @param preTokenizer as the file has it
 * @param isAdded whether a token is taken out of texts before the model has them
 * @returns a pattern of the characters to be left out of words, null for none
 * @throws InexactTokenizer naming the part that is not computed as the Rust library does
 */
export function charactersLeftOut(
  model: BpeFile,
  preTokenizer: unknown,
  isAdded: (token: string) => boolean,
): string | null {
  const { dropout, continuing_subword_prefix: prefix, vocab, merges } = model;
  if ((dropout ?? 0) !== 0) throw inexact('model.dropout', dropout);
  if ((prefix ?? '') !== '') throw inexact('model.continuing_subword_prefix', prefix);
  for (const [rank, [left, right]] of merges.entries()) {
    const absent = [left, right, left + right].find((token) => !Object.hasOwn(vocab, token));
    if (absent !== undefined) {
      throw damaged(
        `model.merges[${rank}]`,
        [left, right],
        `tokens of model.vocab, which has no ${JSON.stringify(absent)}`,
      );
    }
  }
  if (knowsAllBytes(model, preTokenizer)) return null;
  return model.byte_fallback === true ? fallsBack(model) : withUnknown(model, isAdded);
}

/** Whether words are bytes, written in their alphabet, and each of them is a token. */
function knowsAllBytes({ vocab, end_of_word_suffix: suffix }: BpeFile, preTokenizer: unknown): boolean {
  const steps = stepsOf(preTokenizer);
  const bytes = steps.findLastIndex((step) => step['type'] === 'ByteLevel');
  return (
    bytes !== -1 &&
    steps.slice(bytes).every((step) => step['type'] !== 'Metaspace') &&
    BYTE_CHARACTERS.every((byte) => Object.hasOwn(vocab, byte) && Object.hasOwn(vocab, `${byte}${suffix ?? ''}`))
  );
}

function stepsOf(preTokenizer: unknown): Part[] {
  if (!isPart(preTokenizer)) return [];
  const { pretokenizers: steps } = preTokenizer;
  return Array.isArray(steps) ? steps.flatMap(stepsOf) : [preTokenizer];
}

function fallsBack({ vocab, merges }: BpeFile): null {
  const bytes = new Set(
    Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
  );
  const absent = [...bytes].find((byte) => !Object.hasOwn(vocab, byte));
  if (absent !== undefined) {
    throw inexact('model.byte_fallback', true, `of which model.vocab has not all bytes (${absent} is no token of it)`);
  }
  refuseMergesOf((token) => bytes.has(token), merges);
  return null;
}

function withUnknown(model: BpeFile, isAdded: (token: string) => boolean): string | null {
  const { unk_token: unknown, end_of_word_suffix: suffix, vocab, merges } = model;
  const tokens = Object.keys(vocab);
  if (unknown === null || unknown === undefined) {
    if ((suffix ?? '') !== '') throw inexact('model.end_of_word_suffix', suffix);
    if (model.ignore_merges === true) throw inexact('model.ignore_merges', true);
    const known = tokens.filter((token) => Array.from(token).length === 1);
    return `[^${known.map((character) => `\\x{${character.codePointAt(0)!.toString(16)}}`).join('')}]`;
  }
  if (!Object.hasOwn(vocab, unknown)) throw damaged('model.unk_token', unknown, 'a token of model.vocab');
  refuseMergesOf((token) => token === unknown, merges);
  // The implementation makes one of several tokens that have this id, whether they stand for something unknown or not.
  const mayBeMeant =
    Array.from(unknown).length === 1 ||
    merges.some(([left, right]) => left + right === unknown) ||
    tokens.some((token) => token !== unknown && vocab[token] === vocab[unknown]);
  if (model.fuse_unk === true && mayBeMeant && !isAdded(unknown)) throw inexact('model.fuse_unk', true);
  return null;
}

function refuseMergesOf(isPutIn: (token: string) => boolean, merges: BpeFile['merges']): void {
  const rank = merges.findIndex((merge) => merge.some(isPutIn));
  if (rank !== -1) throw inexact(`model.merges[${rank}]`, merges[rank]);
}
