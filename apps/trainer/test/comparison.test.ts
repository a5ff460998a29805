import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunFolder } from '@lpr/runs';
import { afterAll, describe, expect, it } from 'vitest';
import { collectResults } from '../src/comparison/collect.ts';
import { type Comparison, readComparison } from '../src/comparison/comparison.ts';
import { drawComparison } from '../src/comparison/pictures.ts';
import { comparisonReport } from '../src/comparison/results.ts';
import { readFinished, summaryOf } from '../src/comparison/summary.ts';
import { addBlocks, COUNTS, makeComparison, settings } from './finished-runs.ts';

const root = await mkdtemp(join(tmpdir(), 'lpr-comparison-'));
afterAll(() => rm(root, { recursive: true }));

describe('a comparison of several seeds', () => {
  const seeds = [0, 1, 5];
  const comparison: Comparison = {
    runs: new Map(
      seeds.flatMap((seed) => ['top-k', 'lpr'].map((router) => [`${router}-${seed}`, settings(router, seed)] as const)),
    ),
    baseline: 'top-k',
    tables: new Map(),
  };
  const losses = { 'top-k-0': 5, 'top-k-1': 5.5, 'top-k-5': 6, 'lpr-0': 4.75, 'lpr-1': 5.25, 'lpr-5': 5.75 };

  it('is read, summed up and printed by settings, in pairs of a seed', async () => {
    const folder = join(root, 'seeds');
    await makeComparison(folder, comparison, losses);
    expect(await readComparison(folder)).toEqual(comparison);
    const { runs, models, results } = await readFinished(folder, comparison);
    expect(results.map(({ name, seed, title }) => [name, seed, title])).toEqual(
      seeds.flatMap((seed) => [
        ['top-k', seed, 'Qwen3-MoE'],
        ['lpr', seed, 'Qwen3-MoE-LPR'],
      ]),
    );
    const { settings: known } = summaryOf(comparison, models, results);
    const error = expect.closeTo((4.3027 * 0.5) / Math.sqrt(3), 3);
    expect(known).toMatchObject([
      { name: 'top-k', runs: ['top-k-0', 'top-k-1', 'top-k-5'], seeds, errorsOf: 'seeds', differences: {} },
      {
        name: 'lpr',
        estimates: { testLoss: { mean: 5.25, error }, information: { mean: 0.25, error: 0 } },
        differences: { 'top-k': { testLoss: { mean: -0.25, error: 0 }, gini: { mean: 0, error: 0 } } },
      },
    ]);
    const report = comparisonReport(comparison, { models }, results);
    expect(report).toContain('means over 3 seeds (0, 1, 5)');
    expect(report).toContain('5.5000 ± 1.2421');
    expect(report).toMatch(/Less Qwen3-MoE, in pairs of a seed\nQwen3-MoE-LPR +-0\.2500 ± 0\.0000/);

    const { written, missing } = await drawComparison(folder, comparison, runs, results);
    const pictures = [
      ...['load-held-out', 'curves', 'loss-tokens-held-out', 'loss-tokens-training'],
      ...['specialisation-balance', 'parallel-coordinates'],
    ];
    expect(written).toEqual(pictures.map((name) => `figures/${name}.png`));
    expect(missing).toEqual([]);
    for (const path of written) expect(existsSync(join(folder, path))).toBe(true);

    const collected = await collectResults([folder]);
    expect(collected.runs).toEqual(results);
  });

  it('has intervals of the text where there is one seed, paired by its blocks', async () => {
    const folder = join(root, 'one-seed');
    const one = { ...comparison, runs: new Map(['top-k', 'lpr'].map((router) => [router, settings(router)])) };
    await makeComparison(folder, one, { lpr: 4.75 });
    const { results: without } = await readFinished(folder, one);
    expect(without.map(({ bootstrap }) => bootstrap)).toEqual([undefined, undefined]);
    await addBlocks(join(folder, 'top-k'), 5, 0.5);
    await addBlocks(join(folder, 'lpr'), 4.75, 0.5);
    const { models, results } = await readFinished(folder, one);
    const [topK, lpr] = results.map(({ bootstrap }) => bootstrap!);
    // Of two blocks 12.706 times half their distance, with the error of 500 draws.
    expect(topK!.errors['testLoss']! / (12.706 * 0.5)).toBeCloseTo(1, 0.9);
    expect([topK!.differences, topK!.errors['gini'], topK!.errors['information']]).toEqual([{}, 0, undefined]);
    expect(lpr!.differences['top-k']!['testLoss']).toEqual({ mean: -0.25, error: 0 });
    expect(comparisonReport(one, { models }, results)).toMatch(
      /Less Qwen3-MoE, on the same text\nQwen3-MoE-LPR +-0\.2500 ± 0\.0000/,
    );
    expect(summaryOf(one, models, results).settings.map(({ errorsOf }) => errorsOf)).toEqual(['blocks', 'blocks']);

    // Blocks that are alike leave nothing to chance; where one is turned, each run has a floor of its own.
    const lprFolder = join(folder, 'lpr');
    const turned = COUNTS.map((loads) => loads.toReversed());
    const run = await RunFolder.open(lprFolder);
    const block = { domain: 'text', weight: 1, tokens: 5, loss: 25 };
    await run.writeBlocks({ step: 40, blocks: [COUNTS, turned].map((counts) => ({ ...block, counts })) });
    await run.close();
    const { runs } = await collectResults([folder]);
    expect(runs.map(({ textFloor }) => textFloor?.gini)).toEqual([
      { mean: 0, low: 0, high: 0 },
      // Either block twice in place of both: 8, 6, 4, 2 in the first layer, 15, 5, 5 and none below zero in the second.
      expect.objectContaining({ mean: expect.closeTo((0.25 + 0.45) / 2, 9) }),
    ]);
    expect(Object.keys(runs[1]!.textFloor!)).toEqual(['gini', 'minMax', 'maxViolation']);
    const [alone] = (await collectResults([lprFolder])).runs;
    expect(alone!.textFloor).toEqual(runs[1]!.textFloor);
    expect((await collectResults([join(root, 'seeds')])).runs[0]!.textFloor).toBeUndefined();
  });
});

it('a comparison of an earlier version is read', async () => {
  const folder = join(root, 'earlier');
  const runs = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, settings('lpr-paper')]));
  await mkdir(folder);
  await writeFile(join(folder, 'comparison.yaml'), JSON.stringify({ tables: { 6: ['a', 'b', 'c'] }, runs }));
  expect((await readComparison(folder))!.tables).toEqual(new Map([[6, new Map([['paper', ['a', 'b', 'c']]])]]));
  await writeFile(join(folder, 'comparison.yaml'), JSON.stringify({ tables: { 6: { corrected: ['a', 'b'] } }, runs }));
  await expect(readComparison(folder)).rejects.toThrow('table 6 must name a run for every row');
  await writeFile(join(folder, 'comparison.yaml'), JSON.stringify({ runs: { 'top-k': settings('top-k'), ...runs } }));
  expect((await readComparison(folder))!.baseline).toBe('top-k');
});
