/**
 * The state of a trainer as the files of a checkpoint, out of it and back; and the writer that lets training go on
 * meanwhile.
 */
import { join } from 'node:path';
import type { Channel } from '@lpr/mpi';
import { asPieces, type Decoder, exportWeights, type ModelParameter, tensorOf } from '@lpr/model';
import { configJson, importHuggingFace, safetensorsPieces, SafetensorsFile } from '@lpr/model/node';
import { type Checkpoint, type CheckpointState, type FileContent, newestCheckpoint, saveCheckpoint } from '@lpr/runs';
import { assign } from '@lpr/tensor';
import { collect, sharedParameters, spread } from './parallel/shared-experts.ts';
import { DivergedError, type Trainer } from './trainer.ts';

const OPTIMIZER_FILE = 'optimizer.safetensors';

/**
 * Reads model and moments from the device; what is recorded later does not change them.
 *
 * @throws DivergedError when a number is not finite, so that such a state is never saved
 */
export async function snapshot({ decoder, optimizer, step }: Trainer): Promise<Map<string, FileContent>> {
  const [weights, moments] = await Promise.all([exportWeights(decoder), optimizer.exportState()]);
  for (const [name, { data }] of [...weights, ...moments]) {
    if (allFinite(data)) continue;
    throw new DivergedError(
      step,
      `training diverged at step ${step}: ${name} is no longer finite. Lower the learning rate`,
    );
  }
  return new Map<string, FileContent>([
    ['config.json', configJson(decoder.config)],
    ['model.safetensors', encoded(weights)],
    [OPTIMIZER_FILE, encoded(moments)],
  ]);
}

/** Whether all numbers are. A plain loop, since there are as many as the model is large. */
export function allFinite(data: Float32Array): boolean {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i]!)) return false;
  return true;
}

function encoded(
  tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>,
): AsyncIterable<Uint8Array> {
  const entries = Array.from(tensors, ([name, { shape }]) => ({ name, shape }));
  return safetensorsPieces(
    entries,
    Array.from(tensors.values(), ({ data }) => data),
  );
}

/**
 * The same files where several ranks hold the experts: read, and collected, as they are written, so that rank 0 needs
 * room for one whole tensor beside its own. Nothing may change the trainer until they are. The other ranks call
 * `sendExperts` meanwhile.
 */
export function sharedSnapshot({ decoder, optimizer }: Trainer, channel: Channel): Map<string, FileContent> {
  const layout = new Map(decoder.layout.map((parameter) => [parameter.name, parameter]));
  const moments = optimizer.eachMoment();
  const whole = async (parameter: ModelParameter, own: Float32Array): Promise<Float32Array> =>
    parameter.rows === undefined ? own : await collect(channel, parameter, own);
  async function* weights(): AsyncGenerator<Float32Array> {
    for (const parameter of decoder.layout) {
      const own = await tensorOf(decoder, parameter.name).dataF32();
      for (const { data } of asPieces(parameter, await whole(parameter, own))) yield data;
    }
  }
  async function* eachMoment(): AsyncGenerator<Float32Array> {
    for (const { parameter, read } of moments) yield await whole(layout.get(parameter)!, await read());
  }
  return new Map<string, FileContent>([
    ['config.json', configJson(decoder.config)],
    [
      'model.safetensors',
      safetensorsPieces(
        decoder.layout.flatMap(({ pieces }) => pieces),
        weights(),
      ),
    ],
    [
      OPTIMIZER_FILE,
      safetensorsPieces(
        moments.map(({ name, parameter }) => ({ name, shape: layout.get(parameter)!.shape })),
        eachMoment(),
      ),
    ],
  ]);
}

/** What the other ranks do while rank 0 writes the files of `sharedSnapshot`. */
export async function sendExperts({ decoder, optimizer }: Trainer, channel: Channel): Promise<void> {
  const shared = new Map(sharedParameters(decoder).map((parameter) => [parameter.name, parameter]));
  for (const parameter of shared.values()) {
    await collect(channel, parameter, await tensorOf(decoder, parameter.name).dataF32());
  }
  for (const { parameter, read } of optimizer.eachMoment()) {
    const known = shared.get(parameter);
    if (known !== undefined) await collect(channel, known, await read());
  }
}

/**
 * Puts a trainer back to a checkpoint.
 *
 * @param channel to the ranks that hold the experts with this one, which call `receiveExperts`
 */
export async function restoreTrainer(
  { decoder, optimizer }: Trainer,
  { folder, state }: Checkpoint,
  channel: Channel | null = null,
): Promise<void> {
  const held = await importShared(decoder, folder, channel);
  const moments = await SafetensorsFile.open(join(folder, OPTIMIZER_FILE));
  try {
    const entries = new Map(moments.header.entries.map((entry) => [entry.name, entry]));
    const parameterOf = new Map(optimizer.eachMoment().map(({ name, parameter }) => [name, parameter]));
    const read = async (name: string): Promise<ArrayLike<unknown>> => {
      const values = await moments.read(entries.get(name)!);
      const parameter = held.get(parameterOf.get(name)!);
      return parameter === undefined ? values : await spread(channel!, parameter, values as Float32Array);
    };
    await optimizer.importState(entries.keys(), read, state.step);
  } finally {
    await moments.close();
  }
}

/** Weights alone, of a checkpoint or a Hugging Face folder; gives the parameters that several ranks hold. */
export async function importShared(
  decoder: Decoder,
  folder: string,
  channel: Channel | null,
): Promise<ReadonlyMap<string, ModelParameter>> {
  const held = channel === null ? [] : sharedParameters(decoder);
  await importHuggingFace(decoder, folder, async (parameter, values) => {
    if (channel !== null && parameter.rows !== undefined) await spread(channel, parameter, values);
  });
  return new Map(held.map((parameter) => [parameter.name, parameter]));
}

/**
 * What the other ranks do while rank 0 restores a checkpoint, or imports weights alone.
 *
 * @param step of the checkpoint; null: weights alone come
 */
export async function receiveExperts(
  { decoder, optimizer }: Trainer,
  channel: Channel,
  step: number | null,
): Promise<void> {
  const shared = new Map(sharedParameters(decoder).map((parameter) => [parameter.name, parameter]));
  for (const parameter of shared.values()) {
    assign(tensorOf(decoder, parameter.name), await spread(channel, parameter, null));
  }
  if (step === null) return;
  const moments = new Map(optimizer.eachMoment().map((moment) => [moment.name, moment]));
  const read = async (name: string): Promise<ArrayLike<unknown>> => {
    const { parameter, read } = moments.get(name)!;
    const known = shared.get(parameter);
    return known === undefined ? await read() : await spread(channel, known, null);
  };
  await optimizer.importState(moments.keys(), read, step);
}

/** Loads the newest whole checkpoint of a run into a model. Gives its step; null when there is none. */
export async function loadNewestWeights(
  checkpoints: string,
  decoder: Decoder,
  onWarning: (message: string) => void = () => {},
): Promise<number | null> {
  const checkpoint = await newestCheckpoint(checkpoints, ({ message }) => onWarning(message));
  if (checkpoint === null) return null;
  await importHuggingFace(decoder, checkpoint.folder);
  return checkpoint.state.step;
}

/** Writes checkpoints while training goes on: one at a time, the next waits for the one before. */
export class CheckpointWriter {
  readonly #root: string;
  readonly #keepLast: number;
  #writing: Promise<void> = Promise.resolve();
  #failure: unknown = null;

  constructor(root: string, keepLast: number) {
    this.#root = root;
    this.#keepLast = keepLast;
  }

  /**
   * Begins to write as soon as the checkpoint before is there; `ready` must come before it (what the checkpoint relies
   * on). Resolves when writing has begun.
   *
   * @throws CheckpointError of the checkpoint before
   */
  async begin(
    state: CheckpointState,
    take: () => Promise<ReadonlyMap<string, FileContent>>,
    ready: () => Promise<void>,
  ): Promise<void> {
    await this.finish();
    const files = await take();
    const write = async (): Promise<void> => {
      await ready();
      await saveCheckpoint(this.#root, state, files, this.#keepLast);
    };
    this.#writing = write().catch((error: unknown) => {
      this.#failure = error;
    });
  }

  /** Throws the error of a checkpoint that could not be written. */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Waits until all is written. */
  async finish(): Promise<void> {
    await this.#writing;
    this.check();
  }
}
