/** @lpr/data/browser: what of this package runs without a file system. */
export * from './batches.ts';
export type { Batch, TokenStream } from './streams.ts';
export * from './tokenizers/bpe.ts';
export * from './tokenizers/bpe-trainer.ts';
