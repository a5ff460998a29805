/** What a run's folder holds of its text: the tokenizer, and sums of the token streams, so that a run goes on with the text that it began with. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PreparedTokens, Tokenizer, TokenStream } from '@lpr/data';
import { writeWhole } from '@lpr/train';
import { UsageError } from './errors.ts';

export const TOKENIZER_FILE = 'tokenizer.json';
const TEXT_FILE = 'text.json';

/**
 * Writes `tokenizer.json` and `tokenizer_config.json`, which Hugging Face's libraries and what reads the model's checkpoints need. Files that are
 * there stay.
 *
 * @param length of the longest sequence that the model reads
 */
export async function writeTokenizer(folder: string, tokenizer: Tokenizer, length: number): Promise<void> {
  const { endOfText } = tokenizer;
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    model_max_length: length,
    ...(endOfText === null ? {} : { eos_token: tokenizer.decode([endOfText]) }),
  };
  const files = {
    [TOKENIZER_FILE]: tokenizer.toJson(),
    'tokenizer_config.json': `${JSON.stringify(config, null, 2)}\n`,
  };
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    if (!existsSync(path)) await writeWhole(path, content);
  }
}

/**
 * Writes down which tokens a run trains on and is evaluated on, or compares them with those it began with.
 *
 * @throws UsageError when they differ: the run would not end as if it had never stopped
 */
export async function recordText(folder: string, { training, heldOut }: PreparedTokens): Promise<void> {
  const path = join(folder, TEXT_FILE);
  const record = `${JSON.stringify({ training: training.map(sumOf), heldOut: heldOut.map(sumOf) }, null, 2)}\n`;
  if (!existsSync(path)) {
    await writeWhole(path, record);
  } else if ((await readFile(path, 'utf8')) !== record) {
    throw new UsageError(
      `the text is not what ${folder} began with (${path} has the sums of its tokens): a file of data.sources or evaluation.sources, or the tokenizer, ` +
        'has changed since. Put it back, or start a new run',
    );
  }
}

function sumOf({ domain, tokens }: TokenStream): object {
  const bytes = new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
  return { domain, tokens: tokens.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}
