/**
 * `data.json` of a run: which tokens it reads, so that it never goes on with others, or is evaluated on others, without
 * a word.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PreparedTokens, TokenStream } from '@lpr/data';
import { hasCode, writeWhole } from '@lpr/train';
import { z } from 'zod';
import { UsageError } from '../cli/errors.ts';

const DATA_FILE = 'data.json';

const streamSchema = z.strictObject({ domain: z.string(), tokens: z.number(), sha256: z.string() });
const dataSchema = z.strictObject({ training: z.array(streamSchema), heldOut: z.array(streamSchema) });

const PARTS = ['training', 'heldOut'] as const;

/**
 * Holds tokens to those that a run began with; writes them down where it begins now.
 *
 * @param run the run's folder, locked
 * @throws UsageError that names the text that is another one now
 */
export async function keepData(run: string, tokens: PreparedTokens): Promise<void> {
  if (await checkData(run, tokens)) return;
  const data = Object.fromEntries(PARTS.map((part) => [part, tokens[part].map(identity)]));
  await writeWhole(join(run, DATA_FILE), `${JSON.stringify(data, null, 2)}\n`);
}

/**
 * Compares tokens with those that a run began with.
 *
 * @returns whether there was something to compare: false when the run does not say what it began with
 * @throws UsageError that names the text that is another one now
 */
export async function checkData(run: string, tokens: PreparedTokens): Promise<boolean> {
  const path = join(run, DATA_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
  let known: z.infer<typeof dataSchema>;
  try {
    known = dataSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new UsageError(`${path} cannot be read (${String(error)}); if the text is still the same, delete it`);
  }
  for (const part of PARTS) {
    const now = tokens[part].map(identity);
    for (const [i, was] of known[part].entries()) {
      const is = now[i];
      if (is?.sha256 === was.sha256 && is.domain === was.domain) continue;
      throw new UsageError(
        `${run}: the ${part === 'training' ? 'training' : 'held-out'} text of ${was.domain} is not the one that the run began with: ` +
          `it had ${was.tokens} tokens, now ${is?.tokens ?? 'none'}${is?.tokens === was.tokens ? ' others' : ''}. ` +
          'A file of its sources, or its tokenizer, was changed since: put it back as it was, or start a new run',
      );
    }
  }
  return true;
}

function identity({ domain, tokens }: TokenStream): z.infer<typeof streamSchema> {
  const bytes = new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
  return { domain, tokens: tokens.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}
