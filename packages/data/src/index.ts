/**
 * Text for language models: sources, tokenizers, token streams and batches. Plain typed arrays come out; there is no
 * tensor code here.
 */

export * from './batches.ts';
export { cached, contentKey, openCache } from './cache.ts';
export * from './documents.ts';
export * from './evaluation-batches.ts';
export * from './packing.ts';
export * from './prepare.ts';
export type { HubAccess } from './sources/hub.ts';
export { type OpenOptions, openSource } from './sources/open.ts';
export * from './sources/sotu.ts';
export { documentSource, type Shard, type Source, type SourceFile, type SourceOptions } from './sources/source.ts';
export * from './sources/spec.ts';
export type { Split } from './split.ts';
export type { Batch, TokenStream } from './streams.ts';
export * from './tokenizers/bpe.ts';
export * from './tokenizers/bpe-trainer.ts';
export { ByteTokenizer } from './tokenizers/bytes.ts';
export { HuggingFaceTokenizer } from './tokenizers/hugging-face.ts';
export { loadQwenTokenizer, loadTokenizer, MAX_TOKENIZER_BYTES, parseTokenizer } from './tokenizers/load.ts';
export { type CountOptions, countSourceWords, type TokenizerProgress } from './tokenizers/trained.ts';
export { END_OF_TEXT, type Tokenizer } from './tokenizers/tokenizer.ts';
