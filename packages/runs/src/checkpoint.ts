/**
 * Checkpoints: a folder `step-000123` with the model as a Hugging Face folder, the optimiser's moments, and
 * `state.json`. It is written under a temporary name, synced and renamed, so that it is there whole or not at all;
 * SHA-256 sums tell later damage. Contents pass in pieces, so that neither writing nor checking holds a file in memory.
 */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { makeFolder, readText } from '@lpr/guard';
import { prettifyError, z } from 'zod';
import { type FileContent, hasCode, sha256, sha256OfFile, syncFolder, writeSynced } from './files.ts';
import { loggedStep } from './logs.ts';
import { RUN_FOLDERS, stepName, stepsOf } from './names.ts';
import { countSchema, type ReadonlyDeep } from './plain.ts';
import { MAX_SMALL_FILE_BYTES } from './run-files.ts';

const STATE_FILE = 'state.json';

const stateSchema = z.strictObject({
  format: z.literal('lpr-checkpoint/1'),
  /** Steps done. */
  step: countSchema,
  /** Tokens trained on. */
  tokens: countSchema,
  /** The part of a logging window that is not written to `loads.bin` yet; counts `[layers][experts]`. */
  window: z.strictObject({ tokens: countSchema, counts: z.array(z.array(countSchema)) }),
});

/** What a run must know besides weights and moments. */
export type CheckpointState = ReadonlyDeep<z.infer<typeof stateSchema>>;

const fileSchema = z.strictObject({
  state: stateSchema,
  /** SHA-256 of the other files, and of `state` as JSON. */
  sha256: z.record(z.string(), z.string()),
});

export interface Checkpoint {
  readonly folder: string;
  readonly state: CheckpointState;
  /** Names of the files, which were found whole. */
  readonly files: readonly string[];
}

/** A checkpoint that cannot be used or written; the message names the folder and what is wrong with it. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

/**
 * Writes a checkpoint and removes all but the newest `keepLast`.
 *
 * @param root the folder that holds a run's checkpoints; made if need be
 * @returns the checkpoint's folder
 * @throws CheckpointError when it cannot be written, as on a full disk; those before are left as they were, and nothing
 *   of this one stays
 */
export async function saveCheckpoint(
  root: string,
  state: CheckpointState,
  files: ReadonlyMap<string, FileContent>,
  keepLast: number,
): Promise<string> {
  const name = stepName(state.step);
  const folder = join(root, name);
  const temporary = join(root, `.${name}.tmp`);
  try {
    await makeFolder(root);
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary);
    const sums: Record<string, string> = { state: sha256(JSON.stringify(state)) };
    for (const [file, content] of files) sums[file] = await writeSynced(join(temporary, file), content);
    await writeSynced(join(temporary, STATE_FILE), `${JSON.stringify({ state, sha256: sums }, null, 2)}\n`);
    await syncFolder(temporary);
    // One of this step may be there: damaged, and passed over when the run resumed.
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
    await syncFolder(root);
  } catch (error) {
    // A temporary folder that cannot be removed either is removed by the next save.
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    const [before] = await listCheckpoints(root).catch(() => []);
    const isFull = ['ENOSPC', 'EDQUOT', 'EFBIG'].some((code) => hasCode(error, code));
    throw new CheckpointError(
      `cannot write the checkpoint ${folder} (${String(error)})${isFull ? '; there is no room on the disk' : ''}. ` +
        `${before === undefined ? 'There is none before it' : `The one before is whole: ${before}`}. Make room, then resume`,
      { cause: error },
    );
  }
  await removeEarlier(root, state.step, keepLast);
  return folder;
}

/**
 * Removes what goes before a run goes on from a checkpoint, or has written one: all but the newest `keepLast` up to it,
 * and what a process that was killed has left half-written. Only for who holds the run's lock.
 */
export async function removeEarlier(root: string, step: number, keepLast: number): Promise<void> {
  // Newer ones can only be damaged ones that the run passed over when it resumed: they count for nothing here.
  const upToHere = (await checkpointSteps(root)).filter((each) => each <= step);
  for (const old of upToHere.slice(keepLast)) await rm(join(root, stepName(old)), { recursive: true });
  await removeHalfWritten(root);
}

/** Removes what killed processes left of checkpoints. Only for who holds the run's lock. */
export async function removeHalfWritten(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    if (HALF_WRITTEN.test(name)) await rm(join(root, name), { recursive: true });
  }
}

/** What a checkpoint is called while it is written. */
const HALF_WRITTEN = /^\.step-\d{6,}\.tmp$/;

/** Folders of the checkpoints in `root`, newest first; empty when there are none. */
export async function listCheckpoints(root: string): Promise<string[]> {
  return (await checkpointSteps(root)).map((step) => join(root, stepName(step)));
}

/** Newest first. */
async function checkpointSteps(root: string): Promise<number[]> {
  let names: string[];
  try {
    names = await readdir(root);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
  return stepsOf(names).toReversed();
}

/**
 * Reads the state of a checkpoint and checks the sum of every file.
 *
 * @throws CheckpointError when a file is missing, cut short or changed
 */
export async function readCheckpoint(folder: string): Promise<Checkpoint> {
  const fail = (what: string): CheckpointError => new CheckpointError(`the checkpoint ${folder} is damaged: ${what}`);
  const read = async <Result>(name: string, how: (path: string) => Promise<Result>): Promise<Result> => {
    try {
      return await how(join(folder, name));
    } catch (error) {
      throw fail(`cannot read ${name} (${String(error)})`);
    }
  };
  const text = await read(STATE_FILE, (path) => readText(path, MAX_SMALL_FILE_BYTES));
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw fail(`${STATE_FILE} is no JSON (${String(error)})`);
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) throw fail(`${STATE_FILE}: ${prettifyError(parsed.error)}`);
  const { state, sha256: sums } = parsed.data;
  if (sums['state'] !== sha256(JSON.stringify(state))) throw fail(`${STATE_FILE} does not match its own checksum`);
  const files = Object.keys(sums).filter((name) => name !== 'state');
  for (const name of files) {
    if (basename(name) !== name)
      throw fail(`${STATE_FILE} names ${JSON.stringify(name)}, which is no file of the folder`);
    const { sum, bytes } = await read(name, sha256OfFile);
    if (sum !== sums[name]) throw fail(`${name} (${bytes} bytes) does not match its checksum`);
  }
  return { folder, state, files };
}

/**
 * The newest checkpoint that is whole.
 *
 * @param onDamaged told about each newer one that is passed over
 * @param check throws a CheckpointError for what is whole but cannot be used all the same
 * @returns null when there is no checkpoint at all
 * @throws CheckpointError when there are some, but none can be used
 */
export async function newestCheckpoint(
  root: string,
  onDamaged: (error: CheckpointError) => void,
  check: (checkpoint: Checkpoint) => void = () => {},
): Promise<Checkpoint | null> {
  const errors: CheckpointError[] = [];
  for (const folder of await listCheckpoints(root)) {
    try {
      const checkpoint = await readCheckpoint(folder);
      check(checkpoint);
      errors.forEach(onDamaged);
      return checkpoint;
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      errors.push(error);
    }
  }
  if (errors.length === 0) return null;
  throw new CheckpointError(
    `no checkpoint in ${root} can be used. Restore one from a copy, or start a new run.\n${errors.map(({ message }) => `- ${message}`).join('\n')}`,
  );
}

/**
 * The checkpoint that a run goes on from: the newest whole one that its logs reach up to; null when it has none.
 *
 * @param onDamaged told about each newer one that is passed over
 * @throws CheckpointError when there are some, but none can be used
 */
export async function resumableCheckpoint(
  run: string,
  onDamaged: (error: CheckpointError) => void,
): Promise<Checkpoint | null> {
  const logged = await loggedStep(run);
  return await newestCheckpoint(join(run, RUN_FOLDERS.checkpoints), onDamaged, ({ folder, state }) => {
    if (state.step <= logged) return;
    throw new CheckpointError(
      `the checkpoint ${folder} is of step ${state.step}, but metrics.jsonl can be read only up to step ${logged}: it is damaged after that`,
    );
  });
}
