/** `pnpm trainer generate`: continues a prompt, printed as it comes. */
import { text } from 'node:stream/consumers';
import type { Tokenizer } from '@lpr/data';
import { generate } from '@lpr/model';
import { UsageError } from '../cli/errors.ts';
import { findModel, loadModel, tokenizerOf } from '../run/model-source.ts';
import { type DeviceOptions, withDevice } from './shared.ts';

export interface GenerateCommandOptions extends DeviceOptions {
  readonly prompt: string;
  readonly tokens?: number;
  readonly temperature: number;
  readonly greedy?: true;
  readonly topK?: number;
  readonly topP?: number;
  readonly seed: number;
  readonly tokenizer?: string;
}

const DEFAULT_TOKENS = 100;

export async function generateText(path: string, options: GenerateCommandOptions): Promise<void> {
  const { temperature, greedy, topK, topP, seed } = options;
  const source = await findModel(path, options.tokenizer);
  const tokenizer = await tokenizerOf(source);
  const prompt = options.prompt === '-' ? await text(process.stdin) : options.prompt;
  const ids = promptIds(tokenizer, prompt);
  // The last token is never read.
  const room = source.config.max_position_embeddings + 1 - ids.length;
  const maxNewTokens = options.tokens ?? Math.min(room, DEFAULT_TOKENS);
  if (room < Math.max(1, maxNewTokens)) {
    throw new UsageError(
      `the prompt has ${ids.length} tokens, of which and of new ones the model reads at most ${source.config.max_position_embeddings}; ` +
        `shorten it${room < 1 ? '' : ` or lower --tokens to ${room}`}`,
    );
  }
  await withDevice(options, async (device) => {
    const decoder = await loadModel(device, source);
    process.stdout.write(prompt);
    const written = new TextWriter(tokenizer, (part) => process.stdout.write(part), prompt === '' ? [] : ids);
    const { endOfText } = tokenizer;
    for await (const token of generate(decoder, ids, {
      maxNewTokens,
      seed,
      vocabulary: tokenizer.vocabularySize,
      temperature: greedy ? 0 : temperature,
      ...(topK === undefined ? {} : { topK }),
      ...(topP === undefined ? {} : { topP }),
      ...(endOfText === null ? {} : { stopTokens: [endOfText] }),
    })) {
      written.add(token);
    }
    written.end();
    process.stdout.write('\n');
    decoder.dispose();
  });
}

/** What the model reads first: without a prompt, what stands before every document. */
function promptIds(tokenizer: Tokenizer, prompt: string): Int32Array {
  const ids = tokenizer.encode(prompt);
  if (ids.length > 0) return ids;
  if (tokenizer.endOfText === null) {
    throw new UsageError('--prompt is empty, and the tokenizer has no token that begins a text; give a prompt');
  }
  return Int32Array.of(tokenizer.endOfText);
}

/**
 * Writes tokens as text, and a character only when all its bytes are there. What a token is written as may depend on
 * the one before: tokenizers in the manner of SentencePiece drop the space that begins a text.
 */
export class TextWriter {
  readonly #tokenizer: Tokenizer;
  readonly #write: (part: string) => void;
  /** Tokens that were written last, then those that wait. */
  #tokens: number[];
  #written: number;

  /** @param before tokens of the text that the first one continues */
  constructor(tokenizer: Tokenizer, write: (part: string) => void, before: ArrayLike<number> = []) {
    this.#tokenizer = tokenizer;
    this.#write = write;
    this.#tokens = Array.from(before);
    this.#written = this.#tokens.length;
  }

  add(token: number): void {
    this.#tokens.push(token);
    // At most three bytes of a character can be missing; longer remains are no UTF-8 and stay as they are.
    if (this.#waiting().endsWith('\uFFFD') && this.#tokens.length - this.#written < 4) return;
    this.end();
  }

  /** Writes what is left. */
  end(): void {
    if (this.#tokens.length === this.#written) return;
    this.#write(this.#waiting());
    this.#tokens = this.#tokens.slice(this.#written);
    this.#written = this.#tokens.length;
  }

  #waiting(): string {
    const before = this.#tokenizer.decode(this.#tokens.slice(0, this.#written));
    return this.#tokenizer.decode(this.#tokens).slice(before.length);
  }
}
