import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  CheckpointError,
  type CheckpointState,
  listCheckpoints,
  newestCheckpoint,
  readCheckpoint,
  saveCheckpoint,
} from '../src/checkpoint.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lpr-checkpoints-'));
});
afterEach(async () => await rm(root, { recursive: true }));

function stateAt(step: number): CheckpointState {
  return { format: 'lpr-checkpoint/1', step, tokens: 100 * step, window: { tokens: 0, counts: [[0, 0]] } };
}

function filesOf(content: string): Map<string, Uint8Array> {
  return new Map([['model.safetensors', new TextEncoder().encode(content)]]);
}

const never = (error: Error): never => {
  throw error;
};

describe('checkpoints', () => {
  it('come back as they were saved', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 2_000_000 }),
        fc.uint8Array({ maxLength: 64 }),
        async (step, bytes) => {
          const folder = await saveCheckpoint(root, stateAt(step), new Map([['a', bytes]]), 1_000);
          const { state, files } = await readCheckpoint(folder);
          expect(state).toEqual(stateAt(step));
          expect(files).toEqual(['a']);
          expect(Uint8Array.from(await readFile(join(folder, 'a')))).toEqual(bytes);
        },
      ),
      { numRuns: 20 },
    );
  });

  it('are kept as many as asked for, the newest first, with no temporary folder left', async () => {
    for (const step of [5, 10, 999_999, 1_000_000]) await saveCheckpoint(root, stateAt(step), filesOf('x'), 2);
    expect(await listCheckpoints(root)).toEqual([join(root, 'step-1000000'), join(root, 'step-999999')]);
    expect((await readdir(root)).length).toBe(2);
  });

  it('say what is wrong when a byte changes, the file is cut, or it is gone', async () => {
    const folder = await saveCheckpoint(root, stateAt(3), filesOf('weights'), 2);
    const model = join(folder, 'model.safetensors');
    await writeFile(model, 'weightz');
    await expect(readCheckpoint(folder)).rejects.toThrow(/step-000003 is damaged: model.safetensors .* checksum/);
    await writeFile(model, 'wei');
    await expect(readCheckpoint(folder)).rejects.toThrow(CheckpointError);
    await rm(model);
    await expect(readCheckpoint(folder)).rejects.toThrow(/cannot read model.safetensors/);
  });

  it('notice a changed state', async () => {
    const folder = await saveCheckpoint(root, stateAt(3), filesOf('weights'), 2);
    const path = join(folder, 'state.json');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('"tokens": 300', '"tokens": 301'));
    await expect(readCheckpoint(folder)).rejects.toThrow(/own checksum/);
    await writeFile(path, text.slice(0, -20));
    await expect(readCheckpoint(folder)).rejects.toThrow(/no JSON/);
    await writeFile(path, '{}');
    await expect(readCheckpoint(folder)).rejects.toThrow(/state/);
  });

  it('fall back to the newest whole one, with a warning for each passed over', async () => {
    expect(await newestCheckpoint(root, never)).toBeNull();
    for (const step of [1, 2, 3]) await saveCheckpoint(root, stateAt(step), filesOf('weights'), 3);
    expect((await newestCheckpoint(root, never))!.state.step).toBe(3);
    await writeFile(join(root, 'step-000003', 'model.safetensors'), '');
    await rm(join(root, 'step-000002', 'state.json'));
    const warnings: string[] = [];
    const found = await newestCheckpoint(root, ({ message }) => warnings.push(message));
    expect(found!.state.step).toBe(1);
    expect(warnings).toHaveLength(2);
    await rm(join(root, 'step-000001', 'model.safetensors'));
    await expect(newestCheckpoint(root, never)).rejects.toThrow(/no checkpoint in .* can be used/);
  });

  it('do not count damaged newer ones among those that are kept', async () => {
    await saveCheckpoint(root, stateAt(20), filesOf('weights'), 1);
    await rm(join(root, 'step-000020', 'state.json'));
    await saveCheckpoint(root, stateAt(15), filesOf('weights'), 1);
    const found = await newestCheckpoint(root, () => {});
    expect(found!.state.step).toBe(15);
  });
});
