/** A text as tokens: what is trained on, and what is looked at while it trains. */
import { BpeTokenizer, trainBpe } from '@lpr/data/browser';
import { textProblem } from './corpus-limits.ts';
import { BATCH, SEQUENCE, VOCABULARY } from './model.ts';

export interface Corpus {
  readonly tokenizer: BpeTokenizer;
  readonly training: Int32Array;
  /** The end of the text, `[sequences * SEQUENCE]`, which is not trained on. */
  readonly heldOut: Int32Array;
}

/** A text that nothing can be trained on; its message is for the reader. */
export class TextError extends Error {
  override readonly name = 'TextError';
}

/** Sequences of held-out text. */
const HELD_OUT = 4;

/**
 * Trains a tokenizer on a text and cuts it into tokens.
 *
 * @throws TextError for one that is too short or too long
 */
export function readCorpus(text: string): Corpus {
  const problem = textProblem(text);
  if (problem !== null) throw new TextError(problem);
  const tokenizer = trainBpe([text], { vocabularySize: VOCABULARY });
  const tokens = tokenizer.encode(text);
  const held = HELD_OUT * SEQUENCE;
  // A text that says one thing over and over is long in characters and short in tokens.
  if (tokens.length < held + BATCH * SEQUENCE + 1) {
    throw new TextError(
      'This text repeats itself so much that hardly anything is left to learn. Take one that says more.',
    );
  }
  return { tokenizer, training: tokens.slice(0, -held), heldOut: tokens.slice(-held) };
}
