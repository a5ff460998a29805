/** Routes a text through a run's newest checkpoint: one text at a time, with the last model kept in memory. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path/posix';
import { MAX_TOKENIZER_BYTES, parseTokenizer, type Tokenizer } from '@lpr/data';
import { named, textOf, withinTime } from '@lpr/guard';
import type { Decoder } from '@lpr/model';
import { loadHuggingFace } from '@lpr/model/node';
import { messageOf } from '@lpr/runs';
import { createWasmDevice, scope, tensor, type WasmDevice } from '@lpr/tensor';
import { MAX_TEXT_CHARACTERS, type RoutedText } from '../api.ts';
import { checkpointOf, type ExplorableCheckpoint } from './checkpoint.ts';
import type { ServedFolder } from './paths.ts';

/** More waiting texts than this are refused: each takes a forward pass. */
const MAX_WAITING = 4;
/** Milliseconds that it may take to write the tokens of a text out. */
const DECODING_LIMIT = 2000;

/** Too many texts at once. */
export class BusyError extends Error {
  override readonly name = 'BusyError';
}

/** A text or a run that cannot be explored; the message says why. */
export class ExploreError extends Error {
  override readonly name = 'ExploreError';
}

interface Loaded {
  /** Of the files that it was read from: others may lie in their place by now. */
  readonly identity: string;
  readonly decoder: Decoder;
  readonly tokenizer: Tokenizer;
}

export class RouterExplorer {
  readonly #served: ServedFolder;
  #device: WasmDevice | null = null;
  #loaded: Loaded | null = null;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(served: ServedFolder) {
    this.#served = served;
  }

  /**
   * @param run id of the run
   * @throws BusyError; ExploreError where the run has nothing to explore or the text is empty or too long
   */
  async route(run: string, text: string): Promise<RoutedText> {
    if (text === '') throw new ExploreError('The text is empty; type a few words.');
    if (text.length > MAX_TEXT_CHARACTERS) {
      throw new ExploreError(
        `The text has ${text.length} characters; the explorer takes up to ${MAX_TEXT_CHARACTERS}.`,
      );
    }
    if (this.#waiting >= MAX_WAITING) throw new BusyError('Too many texts at once; try again in a moment.');
    this.#waiting++;
    const result = this.#last.then(() => this.#route(run, text)).finally(() => this.#waiting--);
    this.#last = result.catch(() => undefined);
    return await result;
  }

  /** Waits for the text that is under way and frees the memory. */
  async close(): Promise<void> {
    await this.#last;
    this.#loaded?.decoder.dispose();
    this.#loaded = null;
    await this.#device?.dispose();
    this.#device = null;
  }

  async #route(run: string, text: string): Promise<RoutedText> {
    const checkpoint = await checkpointOf(this.#served, run).catch((error: unknown) => {
      throw new ExploreError(messageOf(error));
    });
    const { decoder, tokenizer } = await this.#load(checkpoint);
    const { all, tokens } = tokensOf(tokenizer, text, decoder.plan.positions);
    const ids = all.subarray(0, tokens.length);
    const device = decoder.device;
    return await scope(
      device,
      async () => {
        const inputIds = tensor(device, ids, [1, ids.length], 'i32');
        const read = decoder.routings(inputIds).map(async ({ experts, weights }) => ({
          chosen: Array.from(await experts.data()),
          weights: Array.from(await weights.data()),
        }));
        const layers = await Promise.all(read);
        return {
          step: checkpoint.step,
          layers: decoder.moeLayers,
          experts: decoder.routers[0]?.experts ?? 0,
          slots: (layers[0]?.chosen.length ?? 0) / ids.length,
          tokens,
          chosen: layers.map(({ chosen }) => chosen),
          weights: layers.map(({ weights }) => weights),
          cutTokens: all.length - ids.length,
        };
      },
      { gradients: false },
    );
  }

  async #load({ folder, tokenizer }: ExplorableCheckpoint): Promise<Loaded> {
    try {
      // The loader follows links; none of them may lead out.
      const below = this.#below(folder);
      const files = await Promise.all((await readdir(folder)).map((name) => this.#served.resolve(join(below, name))));
      const identity = await identityOf([tokenizer, ...files]);
      if (this.#loaded?.identity === identity) return this.#loaded;
      this.#loaded?.decoder.dispose();
      this.#loaded = null;
      const read = await this.#readTokenizer(tokenizer);
      this.#device ??= await createWasmDevice();
      const decoder = await loadHuggingFace(this.#device, folder);
      this.#loaded = { identity, decoder, tokenizer: read };
      return this.#loaded;
    } catch (error) {
      throw new ExploreError(`The newest checkpoint cannot be opened: ${messageOf(error)}`);
    }
  }

  async #readTokenizer(path: string): Promise<Tokenizer> {
    const file = await this.#served.open(this.#below(path));
    try {
      return parseTokenizer(await named('tokenizer.json', textOf(file, MAX_TOKENIZER_BYTES)));
    } finally {
      await file.close();
    }
  }

  /** A real path as one below the served folder. */
  #below(path: string): string {
    return path.slice(this.#served.root.length + 1).replaceAll('\\', '/');
  }
}

/** The ids of a text, and the first of them written out: all at once, since a pattern may take its time for each. */
function tokensOf(
  tokenizer: Tokenizer,
  text: string,
  most: number,
): { readonly all: Int32Array; readonly tokens: RoutedText['tokens'] } {
  try {
    const all = tokenizer.encode(text);
    const tokens = withinTime(DECODING_LIMIT, 'tokenizer.json: decoding by its patterns', () =>
      Array.from(all.subarray(0, most), (id) => ({ id, text: tokenizer.decode([id]) })),
    );
    return { all, tokens };
  } catch (error) {
    throw new ExploreError(`The text cannot be turned into tokens: ${messageOf(error)}`);
  }
}

/** What tells files apart from others that take their place, whatever names, sizes and times those have. */
async function identityOf(paths: readonly string[]): Promise<string> {
  const entries = await Promise.all(paths.map((path) => stat(path, { bigint: true })));
  return entries
    .map(({ dev, ino, size, mtimeNs, ctimeNs }, i) => [paths[i], dev, ino, size, mtimeNs, ctimeNs].join(' '))
    .join('\n');
}
