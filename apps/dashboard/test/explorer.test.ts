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

  it.each([false, true])('shows all scores of a token, and where it lies: latent router %s', async (lpr) => {
    const { text, scores, chosen, latents } = await writeModel(join(path, 'run'), { step: 20, seed: 1, lpr });
    const { tokens } = await explorer.route('run', text);
    const place = { layer: 1, token: 3, expert: chosen[1]![6]! };
    const found = await explorer.look({ run: 'run', text, ...place }, true);
    expect(found.scores).toEqual(scores.map((all) => all.slice(3 * 8, 4 * 8)));
    // Both choose by the largest: the first of the experts is the best, and the others that were chosen come after it.
    for (const [layer, own] of found.selection.entries()) {
      const best = own.map((_, expert) => expert).toSorted((a, b) => own[b]! - own[a]!);
      expect(best.slice(0, 2)).toEqual(chosen[layer]!.slice(6, 8));
    }
    const got = found.surest.filter((each) => each.chosen);
    const all = tokens
      .map((_, token) => token)
      .filter((token) => chosen[1]!.slice(2 * token, 2 * token + 2).includes(place.expert));
    expect(got.map(({ token }) => token).toSorted((a, b) => a - b)).toEqual(all.slice(0, 12));
    expect(got.map(({ lead }) => lead)).toEqual(got.map(({ lead }) => lead).toSorted((a, b) => b! - a!));
    expect(got.every(({ lead }) => lead! > 0)).toBe(true);
    expect(found.surest.filter((each) => !each.chosen).every(({ lead }) => lead! <= 0)).toBe(true);
    if (!lpr) return expect(found.plane).toBeNull();
    expect(found.plane!.points).toHaveLength(tokens.length);
    expect(found.plane!.prototypes).toHaveLength(8);
    // On the unit sphere, seen from the mean: nothing is farther than two from anything.
    const [a, b] = [found.plane!.points[0]!, found.plane!.points[3]!];
    const unit = (token: number): number[] => {
      const own = latents[1]!.slice(4 * token, 4 * token + 4);
      return own.map((value) => value / Math.hypot(...own));
    };
    const distance = Math.hypot(...unit(0).map((value, d) => value - unit(3)[d]!));
    expect(Math.hypot(a[0]! - b[0]!, a[1]! - b[1]!)).toBeLessThanOrEqual(distance + 1e-6);
  });

  it('looks at two models in turn, each at its own, and refuses a place that is not there', async () => {
    const one = await writeModel(join(path, 'one'), { step: 20, seed: 1 });
    const two = await writeModel(join(path, 'two'), { step: 20, seed: 2 });
    const place = { text: one.text, layer: 0, token: 0, expert: 0 };
    for (let turn = 0; turn < 2; turn++) {
      expect((await explorer.look({ run: 'one', ...place }, false)).scores[0]).toEqual(one.scores[0]!.slice(0, 8));
      expect((await explorer.look({ run: 'two', ...place }, false)).scores[0]).toEqual(two.scores[0]!.slice(0, 8));
    }
    for (const [wrong, message] of [
      [{ layer: 2 }, 'layer is 2; the text has 2 of them'],
      [{ token: 9999 }, 'token is 9999'],
      [{ expert: -1 }, 'expert is -1; the text has 8 of them'],
    ] as const) {
      await expect(explorer.look({ run: 'one', ...place, ...wrong }, false)).rejects.toThrow(message);
    }
  });

  it('writes tokens out, or says why not', async () => {
    await writeModel(join(path, 'run'), { step: 20, seed: 1 });
    const { tokens } = await explorer.route('run', 'the union');
    expect(
      (
        await explorer.textsOf(
          'run',
          tokens.map(({ id }) => id),
        )
      ).join(''),
    ).toBe('the union');
    await rm(join(path, 'run', 'tokenizer.json'));
    await expect(explorer.textsOf('run', [1])).rejects.toThrow('no tokenizer.json');
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
    const tokenizer = JSON.parse(await readFile(file, 'utf8')) as { added_tokens: object[]; model: { vocab: object } };
    const id = Object.keys(tokenizer.model.vocab).length;
    const content = `${'a'.repeat(23)}!`;
    const token = { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false };
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
