/** Routes a text through a run's newest checkpoint: one text at a time, with the last model kept in memory. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path/posix';
import { MAX_TOKENIZER_BYTES, parseTokenizer, type Tokenizer } from '@lpr/data';
import { named, textOf, withinTime } from '@lpr/guard';
import type { Decoder } from '@lpr/model';
import { loadHuggingFace } from '@lpr/model/node';
import { messageOf } from '@lpr/runs';
import { createWasmDevice, scope, tensor, type WasmDevice } from '@lpr/tensor';
import { type LookRequest, MAX_TEXT_CHARACTERS, type RoutedPlace, type RoutedText } from '../api.ts';
import { checkpointOf, type ExplorableCheckpoint, tokenizerPath } from './checkpoint.ts';
import type { ServedFolder } from './paths.ts';
import { RoutingOfText } from './routed-text.ts';

/** More waiting texts than this are refused: each takes a forward pass. */
const MAX_WAITING = 4;
/** Routed texts that are kept, so that two models can be looked at beside each other. */
const MOST_KEPT = 2;
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
  /** By the files of the model and the text; the newest last. */
  readonly #routed = new Map<string, RoutingOfText>();
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
    return await this.#queued(async () => (await this.#read(run, text)).text);
  }

  /**
   * What a router computed at one place of a text.
   *
   * @param byAngle whether the run's router compares directions alone
   * @throws as `route`; RangeError where the text has no such place
   */
  async look({ run, text, ...place }: LookRequest, byAngle: boolean): Promise<RoutedPlace> {
    return await this.#queued(async () => (await this.#read(run, text)).look(place, byAngle));
  }

  /** Tokens of a run as text. @throws ExploreError where its tokenizer cannot say */
  async textsOf(run: string, ids: readonly number[]): Promise<string[]> {
    const path = await tokenizerPath(this.#served, run);
    if (path === null) throw new ExploreError('This run has no tokenizer.json.');
    try {
      return writtenOut(await this.#readTokenizer(path), ids).map(({ text }) => text);
    } catch (error) {
      throw new ExploreError(`The tokens cannot be written out: ${messageOf(error)}`);
    }
  }

  /** One at a time: each may take a forward pass. */
  async #queued<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#waiting >= MAX_WAITING) throw new BusyError('Too many texts at once; try again in a moment.');
    this.#waiting++;
    const result = this.#last.then(work).finally(() => this.#waiting--);
    this.#last = result.catch(() => undefined);
    return await result;
  }

  /** Waits for the text that is under way and frees the memory. */
  async close(): Promise<void> {
    await this.#last;
    this.#loaded?.decoder.dispose();
    this.#loaded = null;
    this.#routed.clear();
    await this.#device?.dispose();
    this.#device = null;
  }

  async #read(run: string, text: string): Promise<RoutingOfText> {
    if (text === '') throw new ExploreError('The text is empty; type a few words.');
    if (text.length > MAX_TEXT_CHARACTERS) {
      throw new ExploreError(
        `The text has ${text.length} characters; the explorer takes up to ${MAX_TEXT_CHARACTERS}.`,
      );
    }
    const checkpoint = await checkpointOf(this.#served, run).catch((error: unknown) => {
      throw new ExploreError(messageOf(error));
    });
    const files = await this.#filesOf(checkpoint);
    const key = `${files}\n${text}`;
    const known = this.#routed.get(key);
    if (known !== undefined) {
      this.#routed.delete(key);
      this.#routed.set(key, known);
      return known;
    }
    const { decoder, tokenizer } = await this.#load(checkpoint, files);
    const { all, tokens } = tokensOf(tokenizer, text, decoder.plan.positions);
    const ids = all.subarray(0, tokens.length);
    const routed = await scope(
      decoder.device,
      async () => {
        const routings = decoder.routings(tensor(decoder.device, ids, [1, ids.length], 'i32'));
        const facts = { step: checkpoint.step, tokens, cutTokens: all.length - ids.length };
        return await RoutingOfText.read(decoder, routings, facts);
      },
      { gradients: false },
    );
    this.#routed.set(key, routed);
    for (const oldest of [...this.#routed.keys()].slice(0, -MOST_KEPT)) this.#routed.delete(oldest);
    return routed;
  }

  /** What tells the files of a checkpoint from others. @throws ExploreError where one leads out of the folder */
  async #filesOf({ folder, tokenizer }: ExplorableCheckpoint): Promise<string> {
    try {
      // The loader follows links; none of them may lead out.
      const below = this.#below(folder);
      const files = await Promise.all((await readdir(folder)).map((name) => this.#served.resolve(join(below, name))));
      return await identityOf([tokenizer, ...files]);
    } catch (error) {
      throw cannotOpen(error);
    }
  }

  async #load({ folder, tokenizer }: ExplorableCheckpoint, identity: string): Promise<Loaded> {
    try {
      if (this.#loaded?.identity === identity) return this.#loaded;
      this.#loaded?.decoder.dispose();
      this.#loaded = null;
      const read = await this.#readTokenizer(tokenizer);
      this.#device ??= await createWasmDevice();
      const decoder = await loadHuggingFace(this.#device, folder);
      this.#loaded = { identity, decoder, tokenizer: read };
      return this.#loaded;
    } catch (error) {
      throw cannotOpen(error);
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
    return { all, tokens: writtenOut(tokenizer, all.subarray(0, most)) };
  } catch (error) {
    throw new ExploreError(`The text cannot be turned into tokens: ${messageOf(error)}`);
  }
}

function writtenOut(tokenizer: Tokenizer, ids: ArrayLike<number>): RoutedText['tokens'] {
  return withinTime(DECODING_LIMIT, 'tokenizer.json: decoding by its patterns', () =>
    Array.from(ids, (id) => ({ id, text: tokenizer.decode([id]) })),
  );
}

function cannotOpen(error: unknown): ExploreError {
  return new ExploreError(`The newest checkpoint cannot be opened: ${messageOf(error)}`);
}

/** What tells files apart from others that take their place, whatever names, sizes and times those have. */
async function identityOf(paths: readonly string[]): Promise<string> {
  const entries = await Promise.all(paths.map((path) => stat(path, { bigint: true })));
  return entries
    .map(({ dev, ino, size, mtimeNs, ctimeNs }, i) => [paths[i], dev, ino, size, mtimeNs, ctimeNs].join(' '))
    .join('\n');
}
