/** `pnpm trainer tokenizer train`: a byte-level BPE of one's own text. */
import { openSource, trainBpe } from '@lpr/data';
import { writeWhole } from '@lpr/train';
import { createProgress } from '../progress.ts';
import { shown } from './shared.ts';

export interface TokenizerOptions {
  readonly vocabulary: number;
  readonly out: string;
}

export async function trainTokenizer(paths: readonly string[], { vocabulary, out }: TokenizerOptions): Promise<void> {
  const progress = createProgress(process.stderr, process.env);
  progress.phase('reading the text');
  const texts: string[] = [];
  for (const file of (await openSource({ type: 'text', paths: [...paths] })).files) {
    for await (const { documents } of file.shards(0)) texts.push(...documents.map(({ text }) => text));
  }
  progress.phase('training the tokenizer');
  const tokenizer = trainBpe(texts, { vocabularySize: vocabulary });
  await writeWhole(out, tokenizer.toJson());
  progress.end();
  const characters = texts.reduce((sum, { length }) => sum + length, 0);
  const tokens = texts.reduce((sum, text) => sum + tokenizer.encode(text).length, 0);
  console.log(
    `${tokenizer.vocabularySize} tokens; ${(characters / tokens).toFixed(2)} characters a token\n${shown(out)}`,
  );
}
