/**
 * The state of a trainer as the files of a checkpoint, out of it and back; and the writer that lets training go on
 * meanwhile.
 */
import { join } from 'node:path';
import { type Decoder, exportWeights } from '@lpr/model';
import { configJson, importHuggingFace, safetensorsPieces, SafetensorsFile } from '@lpr/model/node';
import { type Checkpoint, type CheckpointState, type FileContent, newestCheckpoint, saveCheckpoint } from '@lpr/runs';
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
function allFinite(data: Float32Array): boolean {
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

/** Puts a trainer back to a checkpoint. */
export async function restoreTrainer({ decoder, optimizer }: Trainer, { folder, state }: Checkpoint): Promise<void> {
  await importHuggingFace(decoder, folder);
  const moments = await SafetensorsFile.open(join(folder, OPTIMIZER_FILE));
  try {
    const entries = new Map(moments.header.entries.map((entry) => [entry.name, entry]));
    await optimizer.importState(entries.keys(), (name) => moments.read(entries.get(name)!), state.step);
  } finally {
    await moments.close();
  }
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
