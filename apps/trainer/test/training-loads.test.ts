import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { samplingFloor } from '@lpr/metrics';
import { RunFolder } from '@lpr/runs';
import { afterAll, describe, expect, it } from 'vitest';
import { trainingLoadsTable } from '../src/comparison/training-loads.ts';
import { resolveSettings } from '../src/settings/resolve.ts';

const root = await mkdtemp(join(tmpdir(), 'lpr-training-loads-'));
afterAll(() => rm(root, { recursive: true }));

/** A run with windows of 100 tokens to steps 5, 10, ...; the counts of one layer each, the other layer is even. */
async function makeRun(
  name: string,
  seed: number,
  counts: readonly (readonly number[])[],
  tokens = 100,
): Promise<string> {
  const set = ['size.experts=4', 'size.topK=1'];
  const run = await RunFolder.create(join(root, name), resolveSettings({ preset: 'tiny', seed, config: [], set }));
  const logs = await run.openLogs(0, { layers: 2, experts: 4, topK: 1 });
  for (const [i, own] of counts.entries()) {
    const line = { loss: 5, totalLoss: 5, learningRate: 1e-3, gradientNorm: 1, terms: {} };
    await logs.appendStep(
      { step: 5 * (i + 1), tokens: (i + 1) * tokens, ...line },
      { tokens, counts: [own, own.map(() => tokens / 4)] },
    );
  }
  await logs.close();
  await run.close();
  return join(root, name);
}

describe('a table of loads in training', async () => {
  const even = [25, 25, 25, 25];
  const single = [100, 0, 0, 0];
  const half = [50, 50, 0, 0];
  const folders = [
    await makeRun('lpr-0', 0, [single, half, even]),
    await makeRun('lpr-1', 1, [half, half, even]),
    await makeRun('own-0', 0, [single, single, single]),
  ] as const;

  it('has a row for each name, means over layers and seeds, and the floor of as many tokens', async () => {
    const { columns, rows, notes } = await trainingLoadsTable(folders, [5, 15]);
    expect(columns.map(({ title }) => title)).toEqual(['run', 'to step 5', 'to step 15']);
    // Gini of one expert alone is 3/4, of two of four 1/2; the other layer has 0. Student's t is 12.706 for 1 degree.
    expect(rows.slice(0, 2)).toEqual([
      {
        name: 'lpr',
        5: { value: 0.3125, error: expect.closeTo((12.706 * Math.abs(0.375 - 0.25)) / 2, 3) },
        15: { value: 0, error: 0 },
      },
      { name: 'own', 5: { value: 0.375, error: null }, 15: { value: 0.375, error: null } },
    ]);
    const { mean, low, high } = samplingFloor({ experts: 4, topK: 1, tokens: 100, layers: 2 }).mean.gini;
    expect(rows[2]).toEqual({ name: 'sampling floor', 5: { mean, low, high }, 15: { mean, low, high } });
    expect(rows).toHaveLength(3);
    expect(notes.join(' ')).toMatch(/100 tokens.*±/);
    expect((await trainingLoadsTable([folders[2]], [5])).notes.join(' ')).not.toContain('±');
  });

  it('says which windows there are, and refuses others beside them', async () => {
    await expect(trainingLoadsTable(folders, [5, 7])).rejects.toThrow(
      /lpr-0 has no window of loads that ends at step 7, but at 5, 10, 15; ask for/,
    );
    const long = await makeRun('long-0', 0, [even, even, even, even, even, even, even]);
    await expect(trainingLoadsTable([long], [40])).rejects.toThrow('at 5, 10, 15, 20, 25 ... 35;');
    const wide = await makeRun('wide-0', 0, [even.map((count) => 2 * count)], 200);
    await expect(trainingLoadsTable([folders[0], wide], [5])).rejects.toThrow(
      /wide-0 has windows of 2 layers of 4 experts, top-1, and 200 tokens, but .*lpr-0 of .* and 100 tokens; put/,
    );
    await rm(join(folders[2], 'loads.bin'));
    await expect(trainingLoadsTable([folders[2]], [5])).rejects.toThrow(/own-0: loads\.bin is missing/);
  });
});
