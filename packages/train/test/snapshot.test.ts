import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CheckpointState, type FileContent, listCheckpoints, readCheckpoint } from '@lpr/runs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CheckpointWriter } from '../src/snapshot.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lpr-writer-'));
});
afterEach(async () => await rm(root, { recursive: true }));

const stateAt = (step: number): CheckpointState => ({
  format: 'lpr-checkpoint/1',
  step,
  tokens: step,
  window: { tokens: 0, counts: [] },
});

/** A file that is written only when it is let go. */
function held(): { readonly files: () => Promise<Map<string, FileContent>>; readonly letGo: () => void } {
  let letGo = (): void => {};
  const gate = new Promise<void>((settle) => {
    letGo = settle;
  });
  async function* content(): AsyncGenerator<Uint8Array> {
    yield Uint8Array.of(1);
    await gate;
    yield Uint8Array.of(2);
  }
  return { files: async () => await Promise.resolve(new Map([['file', content()]])), letGo };
}

const nothing = async (): Promise<void> => await Promise.resolve();

describe('the writer of checkpoints', () => {
  it('writes while others go on, one at a time, in order', async () => {
    const writer = new CheckpointWriter(root, 5);
    const first = held();
    const second = held();
    await writer.begin(stateAt(1), first.files, nothing);
    // It has begun, and is not there.
    expect(await listCheckpoints(root)).toEqual([]);
    let begun = false;
    const next = writer.begin(stateAt(2), second.files, nothing).then(() => {
      begun = true;
    });
    await new Promise((settle) => setTimeout(settle, 30));
    expect(begun).toBe(false);
    first.letGo();
    await next;
    expect(await listCheckpoints(root)).toEqual([join(root, 'step-000001')]);
    second.letGo();
    await writer.finish();
    const [newest] = await listCheckpoints(root);
    expect((await readCheckpoint(newest!)).state.step).toBe(2);
    expect([...(await readFile(join(newest!, 'file')))]).toEqual([1, 2]);
  });

  it('tells whoever asks next that it failed', async () => {
    await writeFile(join(root, 'checkpoints'), 'in the way');
    const writer = new CheckpointWriter(join(root, 'checkpoints'), 5);
    const { files, letGo } = held();
    letGo();
    await writer.begin(stateAt(1), files, nothing);
    await expect(writer.finish()).rejects.toThrow(/cannot write the checkpoint .*step-000001/);
    expect(() => writer.check()).toThrow(/cannot write the checkpoint/);
    await expect(writer.begin(stateAt(2), files, nothing)).rejects.toThrow(/step-000001/);
  });

  it('writes nothing when what the checkpoint relies on is not there', async () => {
    const writer = new CheckpointWriter(root, 5);
    const { files, letGo } = held();
    letGo();
    await writer.begin(stateAt(1), files, async () => await Promise.reject(new Error('the logs are not on disk')));
    await expect(writer.finish()).rejects.toThrow('the logs are not on disk');
    expect(await listCheckpoints(root)).toEqual([]);
  });
});
