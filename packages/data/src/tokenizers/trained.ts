/**
 * Tokenizers trained on sources: their words are counted, then merged. Node only.
 */

import { createHash } from 'node:crypto';
import { CACHE_FORMAT, cached } from '../cache.ts';
import type { SplitOptions } from '../documents.ts';
import type { Source } from '../sources/source.ts';
import type { Split } from '../split.ts';
import { type BpeTrainingProgress, trainBpe, WordCounts } from './bpe-trainer.ts';
import { parseTokenizer } from './load.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Characters of all sources together that a tokenizer is trained on at most. */
const TOKENIZER_CHARACTERS = 2e8;
/**
 * Characters read for a token wanted, when a tokenizer is trained on a source with `maxTokens`: about what a token has.
 */
const CHARACTERS_PER_TOKEN = 5;

/** What is told of the training of a tokenizer. A total that is not known before the end is null. */
export type TokenizerProgress =
  | BpeTrainingProgress
  | { readonly phase: 'counting'; readonly completed: number; readonly total: null };

export interface TrainedTokenizerOptions extends SplitOptions {
  readonly vocabularySize: number;
  /** What `SplitOptions` come to. */
  readonly isHeldOut: Split;
  readonly cacheDirectory?: string | undefined;
  readonly onProgress?: ((progress: TokenizerProgress) => void) | undefined;
}

/** Trains byte-level BPE on what is not held out of sources, or takes it from the cache. */
export async function trainedTokenizer(
  sources: readonly Source[],
  { vocabularySize, isHeldOut, heldOutFraction, seed, cacheDirectory, onProgress }: TrainedTokenizerOptions,
): Promise<Tokenizer> {
  const make = async (): Promise<Uint8Array> => {
    const told = onProgress === undefined ? {} : { onProgress };
    const { words } = await countSourceWords(sources, { isHeldOut, ...told });
    const tokenizer = trainBpe(words, { vocabularySize, ...told });
    return new TextEncoder().encode(tokenizer.toJson());
  };
  if (cacheDirectory === undefined) {
    return parseTokenizer(new TextDecoder().decode(await make()));
  }
  const read = await Promise.all(
    sources.map(async ({ files, maxTokens }) => ({
      files: await Promise.all(files.map(async (file) => ({ content: await file.content(), format: file.format }))),
      maxTokens,
    })),
  );
  const settings = { CACHE_FORMAT, vocabularySize, heldOutFraction, seed, sources: read };
  const key = createHash('sha256').update(JSON.stringify(settings)).digest('hex');
  return parseTokenizer(new TextDecoder().decode(await cached(cacheDirectory, `tokenizer-${key}`, make)));
}

export interface CountOptions {
  /**
   * Characters to read, of all sources together; of each an equal share at most, and no more than its `maxTokens` calls
   * for.
   */
  readonly characters?: number;
  /** Says which documents to pass over. None by default. */
  readonly isHeldOut?: Split;
  /** Told how far it is. */
  readonly onProgress?: (progress: Extract<TokenizerProgress, { phase: 'counting' }>) => void;
}

/**
 * Counts the words of sources, for `trainBpe`. The document that reaches a limit is counted whole.
 *
 * @returns the words, and the characters they come from
 */
export async function countSourceWords(
  sources: readonly Source[],
  { characters = TOKENIZER_CHARACTERS, isHeldOut = () => false, onProgress }: CountOptions = {},
): Promise<{ readonly words: WordCounts; readonly characters: number }> {
  const words = new WordCounts();
  let all = 0;
  for (const { files, maxTokens = Number.POSITIVE_INFINITY } of sources) {
    const end = all + Math.min(characters / sources.length, maxTokens * CHARACTERS_PER_TOKEN);
    read: for (const file of files) {
      for await (const { documents } of file.shards(0)) {
        for (const { id, text } of documents) {
          if (!isHeldOut(id)) {
            words.add(text);
            all += text.length;
            onProgress?.({ phase: 'counting', completed: all, total: null });
          }
          if (all >= end) {
            break read;
          }
        }
      }
    }
  }
  return { words, characters: all };
}
