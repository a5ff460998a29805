/** `pnpm trainer tokenizer train`: a byte-level BPE of one's own text. */
import { countSourceWords, openSource, type SourceSpec, sourceSpecSchema, trainBpe } from '@lpr/data';
import { writeWhole } from '@lpr/runs';
import { z } from 'zod';
import { UsageError } from '../cli/errors.ts';
import { createProgress } from '../cli/progress.ts';
import { usableCache } from '../run/session.ts';
import { faultsOf, faultsText } from '../settings/faults.ts';
import { isGroup, readConfigFile } from '../settings/merge.ts';
import { textSources } from '../settings/resolve.ts';
import { checkOutFile, shown } from './shared.ts';

export interface TokenizerOptions {
  readonly text: readonly string[];
  readonly config?: string;
  readonly vocabulary: number;
  readonly maxCharacters: number;
  readonly out: string;
}

const sourcesSchema = z.array(sourceSpecSchema).min(1);

export async function trainTokenizer({
  text,
  config,
  vocabulary,
  maxCharacters,
  out,
}: TokenizerOptions): Promise<void> {
  const sources = [...textSources(text), ...(config === undefined ? [] : sourcesOf(config))];
  if (sources.length === 0)
    throw new UsageError('name text to train on: --text FILE, or --config FILE with data.sources');
  await checkOutFile(out);
  const progress = createProgress(process.stderr, process.env);
  // What comes from the hub is kept: training reads it too.
  const cache = await usableCache((message) => progress.note(message));
  const opened = await Promise.all(sources.map((source) => openSource(source, cache)));
  const { words, characters } = await countSourceWords(opened, {
    characters: maxCharacters,
    onProgress: ({ completed }) => progress.phase('counting words', `${(completed / 1e6).toFixed(1)}M characters`),
  });
  progress.phase('training the tokenizer');
  const tokenizer = trainBpe(words, { vocabularySize: vocabulary });
  await writeWhole(out, tokenizer.toJson());
  progress.end();
  console.log(
    `${tokenizer.vocabularySize} tokens, trained on ${characters.toLocaleString('en')} characters\n${shown(out)}`,
  );
}

/** The sources of a configuration file; whatever else it holds is no matter here. */
function sourcesOf(config: string): SourceSpec[] {
  const { data } = readConfigFile(config);
  const given = isGroup(data) ? data['sources'] : undefined;
  const parsed = sourcesSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  const faults = faultsOf(parsed.error, sourcesSchema, given);
  throw new UsageError(faultsText(`--config ${config}: data.sources`, faults));
}
