import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mapMeasures } from '@lpr/metrics';
import { describe, expect, it } from 'vitest';
import {
  createComparison,
  readComparison,
  readSummary,
  seedName,
  settingName,
  type Summary,
  writeSummary,
} from '../src/comparison.ts';
import { useFolder } from './lines.ts';

const folder = useFolder();

describe('a comparison', () => {
  it('comes back as it was made', async () => {
    const shared = { type: 'text' };
    const comparison = {
      runs: { 'top-k': { seed: 1, sources: [shared, shared] }, 'lpr,latentDim=4': { seed: 1 } },
      baseline: 'top-k',
      tables: { '2': { corrected: ['top-k', 'lpr,latentDim=4'] } },
    };
    const path = join(folder(), 'made');
    await createComparison(path, comparison);
    expect(await readComparison(path)).toEqual(comparison);
    await expect(createComparison(path, comparison)).rejects.toThrow('already exists and is not empty');
    expect(await readFile(join(path, 'sweep.yaml'), 'utf8')).not.toContain('&');
    const { runs } = comparison;
    await createComparison(join(folder(), 'plain'), { runs, tables: {} });
    expect(await readComparison(join(folder(), 'plain'))).toEqual({ runs, tables: {} });
    expect(await readComparison(folder())).toBeNull();
  });

  it('names settings in its tables, whose runs may have their seed behind', async () => {
    const text = 'runs: {lpr-0: {}, lpr-12: {}, top-k: {}}\nbaseline: lpr\ntables: {"1": {paper: [lpr, top-k]}}';
    await writeFile(join(folder(), 'comparison.yaml'), text);
    expect((await readComparison(folder()))!.tables).toEqual({ '1': { paper: ['lpr', 'top-k'] } });
    expect([seedName('lpr', 12), settingName('lpr-12', 12), settingName('lpr-12', 2), settingName('lpr', 0)]).toEqual([
      'lpr-12',
      'lpr',
      'lpr-12',
      'lpr',
    ]);
    const numbers = ['lr=1e-7', '1E-7', 'lr=-2.5e-7', 'lr=1e-7-7', 'v1e-7'];
    expect(numbers.map((name) => settingName(name, 7))).toEqual([...numbers.slice(0, 3), 'lr=1e-7', 'v1e']);
  });

  it('of an earlier version lies under another name, and gives way to one of today', async () => {
    await writeFile(join(folder(), 'comparison.yaml'), 'runs: {a: {}}');
    expect(Object.keys((await readComparison(folder()))!.runs)).toEqual(['a']);
    await writeFile(join(folder(), 'sweep.yaml'), 'runs: {b: {}}');
    expect(Object.keys((await readComparison(folder()))!.runs)).toEqual(['b']);
  });

  it('of an earlier version names no formulation', async () => {
    await writeFile(join(folder(), 'comparison.yaml'), 'runs: {a: {}, b: {}}\ntables: {"1": [a, b]}');
    expect((await readComparison(folder()))!.tables).toEqual({ '1': { '': ['a', 'b'] } });
    await writeFile(join(folder(), 'summary.json'), '{"models":[]}');
    expect(await readSummary(folder())).toEqual({ settings: [], models: [] });
  });

  it.each([
    ...['../../x', '..', '.', '', 'a/b', 'a\\b', '/etc', '.hidden', 'a\nb', '\0', '\u001b[31m'],
    ...['sweep.yaml', 'summary.json', 'slurm', 'lock', 'lock.takeover'],
  ])('has no run called %j, which could lie elsewhere or in the way', async (name) => {
    await expect(createComparison(join(folder(), 'new'), { runs: { [name]: {} }, tables: {} })).rejects.toThrow(
      `a run is called ${JSON.stringify(name)}`,
    );
    await writeFile(join(folder(), 'comparison.yaml'), `runs:\n  ${JSON.stringify(name)}: {}\n`);
    await expect(readComparison(folder())).rejects.toThrow(
      `${join(folder(), 'comparison.yaml')}: a run is called ${JSON.stringify(name)}`,
    );
  });

  it('is made of runs whose names are short, seen, and no one folder on any file system', async () => {
    const faultOf = async (...names: string[]): Promise<string | null> => {
      const runs = Object.fromEntries(names.map((name) => [name, {}]));
      return await createComparison(join(folder(), String(names[0])), { runs, tables: {} }).then(
        () => null,
        (error: Error) => error.message,
      );
    };
    expect(await faultOf('x'.repeat(200))).toBeNull();
    expect(await faultOf(`${'x'.repeat(199)}ä`)).toBe(
      `a run is called "${'x'.repeat(20)}...", 201 bytes in UTF-8, but a name has at most 200: shorten it`,
    );
    expect(await faultOf('a', '\u009b31m\u202e\u007f')).toContain('a run is called "\\u009b31m\\u202e\\u007f", but');
    for (const [one, other] of [
      ['LPR', 'lpr'],
      ['\u00e4', 'a\u0308'],
      ['A\u030a', '\u00e5'],
    ] as const) {
      expect(await faultOf('b', one, other)).toContain(`the runs "${one}" and "${other}" have one folder where`);
      // Of an earlier version they may be there.
      await writeFile(join(folder(), 'sweep.yaml'), `runs: {${JSON.stringify(one)}: {}, ${JSON.stringify(other)}: {}}`);
      expect(Object.keys((await readComparison(folder()))!.runs)).toEqual([one, other]);
    }
  });

  it.each([
    ['runs: {}', /is damaged: runs: names no runs/],
    ['runs: [1]', /is damaged: runs: /],
    ['null', /is damaged/],
    ['runs: {a: {}}\ntables: {"1": [b]}', /table 1 names a run b that is not there/],
    ['runs: {a: {}}\ntables: {"1": {paper: [b]}}', /table 1 names a run b that is not there/],
    ['runs: {a-0x: {}}\ntables: {"1": [a]}', /table 1 names a run a that is not there/],
    ['runs: {a: {}}\nbaseline: b', /the baseline is b, which names no run/],
    ['a: [', /cannot be read/],
  ])('that is damaged says what is wrong: %j', async (text, message) => {
    await writeFile(join(folder(), 'comparison.yaml'), text);
    await expect(readComparison(folder())).rejects.toThrow(message);
  });

  it('ends with a summary', async () => {
    const range = { mean: 0.2, low: 0.1, high: 0.3 };
    const summary: Summary = {
      settings: [
        {
          name: 'lpr',
          runs: ['lpr'],
          seeds: [0],
          errorsOf: 'blocks',
          estimates: { testLoss: { mean: 2, error: 0.125 }, information: { mean: 1, error: null } },
          differences: { 'top-k': { testLoss: { mean: -0.5, error: 0.25 } } },
        },
      ],
      models: [
        {
          name: 'lpr',
          router: 'lpr',
          architecture: 'mixtral',
          seed: 0,
          steps: 4,
          tokens: 40,
          experts: 4,
          expertsPerToken: 1.5,
          device: 'wasm',
          threads: 2,
          tokensPerSecond: null,
          stepTimeShares: { head: 1 },
          evaluationTokens: 8,
          testLoss: 2,
          balance: { mean: { gini: 0.5, minMax: null }, worst: { gini: 0.75, minMax: 0 } },
          pValue: 0.25,
          mutualInformation: null,
          mutualInformationBias: null,
          levels: {
            size: { experts: 4, topK: 2, tokens: 8, latentDim: 16, layers: 2 },
            samplingFloor: mapMeasures(() => range),
            isotropicNull: mapMeasures(() => range),
          },
        },
      ],
    };
    await writeSummary(folder(), summary);
    expect(await readSummary(folder())).toEqual(summary);
    await writeFile(join(folder(), 'summary.json'), '{"models":[{}]}');
    await expect(readSummary(folder())).rejects.toThrow(/summary\.json is damaged: models\.0\./);
  });
});
