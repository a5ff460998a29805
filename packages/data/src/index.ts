/**
 * Text for language models: corpora, tokenizers, token streams and batches. Plain typed arrays come out; there is no tensor
 * code here. Only `corpora/`, `cache.ts` and `prepare.ts` need Node; the other modules run in browsers too.
 */

export * from './batches.ts';
export * from './cache.ts';
export * from './corpora/sotu.ts';
export * from './corpora/text-files.ts';
export * from './documents.ts';
export * from './packing.ts';
export * from './prepare.ts';
export * from './tokenizers/bpe.ts';
export * from './tokenizers/bpe-trainer.ts';
export { ByteTokenizer } from './tokenizers/bytes.ts';
export { END_OF_TEXT, type Tokenizer } from './tokenizers/tokenizer.ts';
