/** The router explorer against the decoder itself. */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_TEXT_CHARACTERS } from '../src/api.ts';
import { BusyError, ExploreError, RouterExplorer } from '../src/server/explorer.ts';
import { ServedFolder } from '../src/server/paths.ts';
import { temporaryFolder } from './folders.ts';
import { writeModel } from './models.ts';

let path: string;
let folder: ServedFolder;
let explorer: RouterExplorer;
let remove: () => Promise<void>;
beforeEach(async () => {
  ({ path, remove } = await temporaryFolder());
  folder = await ServedFolder.at(path);
  explorer = new RouterExplorer(folder);
});
afterEach(async () => {
  await explorer.close();
  await remove();
});

describe('the router explorer', () => {
  it('shows what the newest checkpoint does with a text', async () => {
    await writeModel(join(path, 'run'), { step: 20, seed: 1 });
    const expected = await writeModel(join(path, 'run'), { step: 40, seed: 2 });
    const routed = await explorer.route('run', expected.text);
    expect(routed).toMatchObject({ step: 40, experts: 8, slots: 2, layers: [0, 1], cutTokens: 0 });
    expect(routed.tokens.map(({ text }) => text).join('')).toBe(expected.text);
    expect(routed.chosen).toEqual(expected.chosen);
    expect(routed.weights).toEqual(expected.weights);
  });

  it('cuts a text that is longer than the model reads, and says so', async () => {
    await writeModel(join(path, 'run'), { step: 20, seed: 1 });
    const { tokens, cutTokens, chosen } = await explorer.route('run', 'union '.repeat(100));
    expect(tokens).toHaveLength(64);
    expect(cutTokens).toBeGreaterThan(0);
    expect(chosen[0]).toHaveLength(128);
  });

  it('opens another checkpoint that takes the place of the one in memory', async () => {
    const before = await writeModel(join(path, 'run'), { step: 20, seed: 1 });
    expect((await explorer.route('run', before.text)).weights).toEqual(before.weights);
    // The same names, sizes and times: a run's folder that was swapped for another's.
    const weights = join(path, 'run', 'checkpoints', 'step-000020', 'model.safetensors');
    const { atime, mtime } = await stat(weights);
    const after = await writeModel(join(path, 'run'), { step: 20, seed: 2 });
    await utimes(weights, atime, mtime);
    const routed = await explorer.route('run', after.text);
    expect(routed.weights).toEqual(after.weights);
    expect(routed.weights).not.toEqual(before.weights);
  });

  it.skipIf(process.platform === 'win32')('waits for no pipe in the place of a file', async () => {
    await writeModel(join(path, 'run'), { step: 20, seed: 1 });
    const checkpoint = join(path, 'run', 'checkpoints', 'step-000020');
    for (const file of [
      join(checkpoint, 'model.safetensors'),
      join(checkpoint, 'config.json'),
      join(path, 'run', 'tokenizer.json'),
    ]) {
      const content = await readFile(file);
      await rm(file);
      execFileSync('mkfifo', [file]);
      await expect(explorer.route('run', 'a')).rejects.toThrow(/cannot be opened: .*(no regular file|no plain file)/);
      await rm(file);
      await writeFile(file, content);
    }
    await explorer.route('run', 'a');
  });

  it('is stopped by no pattern that takes for ever', async () => {
    await writeModel(join(path, 'run'), { step: 20, seed: 1 });
    const file = join(path, 'run', 'tokenizer.json');
    const tokenizer = JSON.parse(await readFile(file, 'utf8')) as object;
    const split = { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated', invert: false };
    await writeFile(file, JSON.stringify({ ...tokenizer, pre_tokenizer: split }));
    await expect(explorer.route('run', `${'a'.repeat(40)}!`)).rejects.toThrow(
      /^The text cannot be turned into tokens: .*stopped after 2\.0 seconds/,
    );
    expect((await explorer.route('run', 'a')).tokens).toHaveLength(1);
  });

  it('is stopped by no pattern that takes its time for each token', async () => {
    await writeModel(join(path, 'run'), { step: 20, seed: 1 });
    const file = join(path, 'run', 'tokenizer.json');
    const tokenizer = JSON.parse(await readFile(file, 'utf8')) as { added_tokens: object[] };
    const content = `${'a'.repeat(23)}!`;
    const token = { id: 300, content, single_word: false, lstrip: false, rstrip: false, normalized: false };
    const added_tokens = [...tokenizer.added_tokens, { ...token, special: false }];
    const decoder = { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: '' };
    await writeFile(file, JSON.stringify({ ...tokenizer, added_tokens, decoder }));
    await expect(explorer.route('run', content.repeat(60))).rejects.toThrow(
      /^The text cannot be turned into tokens: .*decoding by its patterns was stopped after 2\.0 seconds/,
    );
    expect((await explorer.route('run', 'a')).tokens).toHaveLength(1);
  });

  it('takes one text at a time and few that wait', async () => {
    await writeModel(join(path, 'run'), { step: 20, seed: 1 });
    const asked = await Promise.allSettled(Array.from({ length: 6 }, () => explorer.route('run', 'the union')));
    expect(asked.map(({ status }) => status)).toEqual([...Array(4).fill('fulfilled'), 'rejected', 'rejected']);
    expect(asked[5]).toMatchObject({ reason: expect.any(BusyError) as unknown });
    await explorer.route('run', 'again');
  });

  it('says why it cannot', async () => {
    await expect(explorer.route('run', '')).rejects.toThrow('The text is empty');
    await expect(explorer.route('run', 'x'.repeat(MAX_TEXT_CHARACTERS + 1))).rejects.toThrow('takes up to 2000');
    await mkdir(join(path, 'run'), { recursive: true });
    await expect(explorer.route('run', 'a')).rejects.toThrow('no checkpoint yet');
    await mkdir(join(path, 'run', 'checkpoints', 'step-000010'), { recursive: true });
    await expect(explorer.route('run', 'a')).rejects.toThrow('no tokenizer.json');
    await writeFile(join(path, 'run', 'tokenizer.json'), '{}');
    await expect(explorer.route('run', 'a')).rejects.toThrow('no config.json');
    await writeFile(join(path, 'run', 'checkpoints', 'step-000010', 'config.json'), '{}');
    await expect(explorer.route('run', 'a')).rejects.toThrow(/cannot be opened: tokenizer.json/);
    await expect(explorer.route('run', 'a')).rejects.toThrow(ExploreError);
  });

  it.skipIf(process.platform === 'win32')('opens no weights outside of the folder', async () => {
    const outside = await temporaryFolder();
    try {
      await writeModel(join(outside.path, 'run'), { step: 20, seed: 1 });
      await writeModel(join(path, 'run'), { step: 20, seed: 1 });
      const weights = join('run', 'checkpoints', 'step-000040');
      await mkdir(join(path, weights));
      await writeFile(join(path, weights, 'config.json'), '{}');
      await symlink(
        join(outside.path, 'run', 'checkpoints', 'step-000020', 'model.safetensors'),
        join(path, weights, 'model.safetensors'),
      );
      await expect(explorer.route('run', 'a')).rejects.toThrow('leads out of the served folder');
    } finally {
      await outside.remove();
    }
  });
});
