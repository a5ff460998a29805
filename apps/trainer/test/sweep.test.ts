import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseYaml } from '@lpr/runs';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { settingNames } from '../src/comparison/comparison.ts';
import { configJsonSchema, sweepJsonSchema } from '../src/settings/json-schema.ts';
import { resolveSettings, type SettingOptions } from '../src/settings/resolve.ts';
import { drawValue } from '../src/sweep/draw.ts';
import { assignmentsOf, checkSweep, countRuns, expandSweep, readSweepFile } from '../src/sweep/expand.ts';
import { settingNamesOf } from '../src/sweep/names.ts';

const none: SettingOptions = { config: [], set: [] };
const tiny: SettingOptions = { preset: 'tiny', ...none };

const work = mkdtempSync(join(tmpdir(), 'lpr-sweep-'));
afterAll(() => rmSync(work, { recursive: true }));

function sweepOf(yaml: string): ReturnType<typeof checkSweep> {
  return checkSweep(parseYaml(yaml), 'a.yaml');
}

function runsOf(yaml: string, options = tiny): ReturnType<typeof expandSweep>['runs'] {
  return expandSweep(sweepOf(yaml), options, 'a.yaml').runs;
}

const value = fc.oneof(fc.integer({ min: -9, max: 9 }), fc.double({ noNaN: true }), fc.string(), fc.boolean());
const grids = fc.dictionary(
  fc.stringMatching(/^[a-z]{1,3}(\.[a-z]{1,2})?$/),
  fc.uniqueArray(value, { minLength: 1, maxLength: 4, selector: (each) => JSON.stringify(each) }),
  { minKeys: 1, maxKeys: 4, noNullPrototype: true },
);

describe('the runs of a sweep', () => {
  it('are all combinations of a grid, with names of their own that folders can have', () => {
    fc.assert(
      fc.property(grids, (grid) => {
        const file = checkSweep({ grid }, 'a.yaml');
        const all = assignmentsOf(file);
        const size = Object.values(grid).reduce((product, { length }) => product * length, 1);
        expect(all).toHaveLength(size);
        expect(countRuns(file)).toBe(size);
        expect(new Set(all.map((each) => JSON.stringify(each))).size).toBe(size);
        const names = settingNamesOf(all);
        expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(size);
        for (const name of names) expect(name).toMatch(/^[\w,=+-][\w.,=+-]{0,110}$/);
      }),
    );
  });

  it('are drawn by a seed, each setting by itself, so that more runs leave the first ones as they were', () => {
    const number = fc.double({ noNaN: true, min: 1e-6, max: 1e6 });
    const bounds = fc.tuple(number, number).filter(([a, b]) => a < b);
    const range = fc.oneof(
      fc.record({ uniform: bounds }),
      fc.record({ logUniform: bounds }),
      fc.record({ integer: fc.tuple(fc.integer({ min: -50, max: 0 }), fc.integer({ min: 1, max: 50 })) }),
      fc.record({ choice: fc.uniqueArray(fc.string(), { minLength: 1 }) }),
    );
    fc.assert(
      fc.property(range, fc.nat(), fc.integer({ min: 1, max: 12 }), (one, seed, runs) => {
        const draws = (count: number, settings: object): unknown[] =>
          assignmentsOf(checkSweep({ random: { runs: count, seed, settings } }, 'a.yaml')).map((each) => each['a.b']);
        const own = draws(runs, { 'a.b': one });
        expect(draws(runs, { 'a.b': one })).toEqual(own);
        expect(draws(runs + 3, { other: one, 'a.b': one }).slice(0, runs)).toEqual(own);
        for (const drawn of own) {
          if ('choice' in one) expect(one.choice).toContain(drawn);
          else {
            const [low, high] = 'integer' in one ? one.integer : 'uniform' in one ? one.uniform : one.logUniform;
            expect(drawn).toBeGreaterThanOrEqual(low);
            expect(drawn).toBeLessThanOrEqual(high);
            if ('integer' in one) expect(Number.isInteger(drawn)).toBe(true);
          }
        }
      }),
    );
  });

  it('are spread as their range says', () => {
    const draws = (range: Parameters<typeof drawValue>[0]): number[] =>
      Array.from({ length: 4000 }, (_, i) => drawValue(range, 3, i, 'a') as number);
    const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    expect(mean(draws({ uniform: [2, 4] }))).toBeCloseTo(3, 1);
    expect(mean(draws({ logUniform: [1e-4, 1] }).map(Math.log10))).toBeCloseTo(-2, 1);
    const integers = draws({ integer: [1, 3] });
    for (const each of [1, 2, 3])
      expect(integers.filter((drawn) => drawn === each).length / 4000).toBeCloseTo(1 / 3, 1);
  });

  it('are called by what differs, as a comparison calls its own, the seed behind where there are several', () => {
    const runs = runsOf('grid: [{router: [top-k]}, {router: [lpr], lpr.strength: [0.1, 1]}]\nseeds: 2');
    expect([...runs.keys()]).toEqual([
      ...['top-k-0', 'lpr,strength=0.1-0', 'lpr,strength=1-0'],
      ...['top-k-1', 'lpr,strength=0.1-1', 'lpr,strength=1-1'],
    ]);
    expect([...new Set(settingNames({ runs }).values())]).toEqual(['top-k', 'lpr,strength=0.1', 'lpr,strength=1']);
    expect(runs.get('lpr,strength=0.1-1')).toEqual(
      resolveSettings({ ...tiny, set: ['router=lpr', 'lpr.strength=0.1', 'seed=1'] }),
    );
    expect([...runsOf('grid: {seed: [3, 5]}').keys()]).toEqual(['base-3', 'base-5']);
    expect([...runsOf('grid: {seed: [3, 5], size.topK: [1, 2]}').keys()]).toEqual([
      ...['topK=1-3', 'topK=2-3', 'topK=1-5', 'topK=2-5'],
    ]);
    expect([...runsOf('grid: {architecture: [mixtral, qwen3-moe], preset: [tiny]}').keys()]).toEqual([
      'mixtral',
      'qwen3-moe',
    ]);
  });

  it('keep names that end like a seed', () => {
    const runs = runsOf('runs: {lpr-8-1: {router: lpr}, lpr-8-2: {router: lpr, size: {topK: 1}}}\nseeds: 3');
    expect([...runs.keys()]).toEqual([0, 1, 2].flatMap((seed) => [`lpr-8-1-${seed}`, `lpr-8-2-${seed}`]));
    expect([...new Set(settingNames({ runs }).values())]).toEqual(['lpr-8-1', 'lpr-8-2']);
  });

  it('are of one setting where they differ in their seed alone, however their names end', () => {
    const rowsOf = (runs: string): [names: string[], settings: string[], baseline: string | null] => {
      const comparison = expandSweep(sweepOf(`runs: ${runs}`), tiny, 'a.yaml');
      const again = expandSweep(sweepOf(JSON.stringify({ runs: Object.fromEntries(comparison.runs) })), none, 'b.yaml');
      expect(again.runs).toEqual(comparison.runs);
      return [[...comparison.runs.keys()], [...settingNames(comparison).values()], comparison.baseline];
    };
    const run = (seed: number, experts: number): string => `{seed: ${seed}, size: {experts: ${experts}}}`;
    expect(rowsOf(`{width-0: ${run(0, 4)}, width-1: ${run(1, 8)}}`)).toEqual([
      ['width-0', 'width-1'],
      ['width-0', 'width-1'],
      'width-0',
    ]);
    expect(rowsOf(`{a-0: ${run(0, 4)}, a-1: ${run(1, 8)}, b-0: ${run(0, 16)}, b-1: ${run(1, 16)}}`)).toEqual([
      ['a-0', 'a-1', 'b-0', 'b-1'],
      ['a-0', 'a-1', 'b', 'b'],
      'a-0',
    ]);
    // The name that a run keeps is that of no other setting.
    const nested = ['a-0', 'a-1', 'a-0-0', 'a-0-1'];
    expect(
      rowsOf(`{a-0: ${run(0, 4)}, a-1: ${run(1, 8)}, a-0-0: ${run(0, 16)}, a-0-1: ${run(1, 16)}}`).slice(0, 2),
    ).toEqual([nested, nested]);
    expect(rowsOf(`{lr=1e-7: ${run(7, 4)}, lr=1e-6: ${run(6, 8)}}`)[1]).toEqual(['lr=1e-7', 'lr=1e-6']);
  });

  it('combine entries of a list, a grid and draws', () => {
    const runs = runsOf(
      'list: [{router: top-k}, {router: switch, size.experts: 4}]\ngrid: {training.steps: [1, 2]}\n' +
        'random: {runs: 2, settings: {training.learningRate: {logUniform: [0.001, 0.1]}}}',
    );
    expect(runs.size).toBe(8);
    expect([...runs.keys()][7]).toMatch(/^switch,steps=2,learningRate=0\.\d+,experts=4$/);
  });

  it('go over what the file says of all, and that under the command line', () => {
    writeFileSync(join(work, 'base.yaml'), 'training: {steps: 3, logEvery: 7}');
    const yaml = `preset: tiny\nconfig: [${join(work, 'base.yaml')}]\nsettings: {training: {steps: 4}, size: {topK: 1}}\ngrid: {router: [top-k, lpr]}`;
    const one = (options: SettingOptions) => [...runsOf(yaml, options).values()];
    for (const { training, size } of one(none))
      expect([training.steps, training.logEvery, size.topK]).toEqual([4, 7, 1]);
    // The router of a run is that of the run.
    const named = one({ ...none, steps: 5, router: 'switch', set: ['size.topK=2'] });
    expect(named.map(({ router, training, size }) => [router, training.steps, size.topK])).toEqual([
      ['top-k', 5, 2],
      ['lpr', 5, 2],
    ]);
    // What only some routers read is passed over for the others, where all runs are given it.
    const [own, lpr] = one({ ...none, set: ['lpr.strength=2'] });
    expect([own!.lpr, lpr!.lpr!.strength]).toEqual([undefined, 2]);
  });

  it('are those of a file that a sweep or a comparison has written', () => {
    const runs = runsOf('grid: {size.topK: [1, 2], router: [top-k, lpr]}\nseeds: [0, 4]');
    const written = JSON.stringify({ baseline: 'lpr,topK=1', runs: Object.fromEntries(runs) });
    const again = expandSweep(sweepOf(written), none, 'a.yaml');
    expect(again.runs).toEqual(runs);
    expect(again.baseline).toBe('lpr,topK=1');
  });
});

describe('a file of a sweep that does not fit', () => {
  it.each([
    ['grid: {}', 'a.yaml: grid: got {}, expected settings by their paths, such as size.experts; at least one'],
    ['grid: {size.experts: []}', 'grid.size.experts: got [], expected a list of at least 1 entries'],
    ['grid: {size.experts: 8}', 'grid.size.experts: got 8, expected a list'],
    ['grid: {size: {experts: [8]}}', 'grid.size: got {"experts":[8]}, expected a list'],
    ['grid: {size.experts: [8, 8]}', 'grid.size.experts: got [8,8], expected values that differ'],
    ['grid: {"size..experts": [8]}', 'expected paths of settings, their parts separated by dots'],
    ['list: []', 'list: got [], expected a list of at least 1 entries'],
    ['list: [{seed: 1}, {seed: 1}]', 'expected entries that differ'],
    ['random: {runs: 0, settings: {a: {uniform: [0, 1]}}}', 'random.runs: got 0, expected a number of at least 1'],
    ['random: {runs: 2, settings: {a: {uniform: [1, 0]}}}', 'two numbers, the smaller one first'],
    [
      'random: {runs: 2, settings: {a: {logUniform: [0, 1]}}}',
      'random.settings.a.logUniform.0: got 0, expected a number above 0',
    ],
    [
      'random: {runs: 2, settings: {a: {normal: [0, 1]}}}',
      'unknown setting "random.settings.a.normal". Did you mean random.settings.a.uniform?',
    ],
    ['random: {runs: 2, settings: {a: {integer: [0, 1], choice: [2]}}}', 'expected one of {uniform: [0, 1]}'],
    ['random: {runs: 2, settings: {a: {integer: [0, 1.5]}}}', 'random.settings.a.integer.1: got 1.5, expected a whole'],
    ['gird: {seed: [0, 1]}', 'unknown setting "gird". Did you mean grid?'],
    ['preset: tinny\nseeds: 2', 'preset: got "tinny", expected one of tiny'],
    ['preset: tiny', 'it has no runs; give grid, list, random, runs or seeds'],
    ['seeds: 0', 'seeds: got 0'],
    ['seeds: [1, 1]', 'seeds: got [1,1]'],
    ['grid: {seed: [0, 1]}\nseeds: 2', 'grid.seed: seeds sets it too; leave it out of one of the two'],
    ['grid: {data.tokenizer: [bytes]}\nlist: [{data: {}}]', 'grid.data.tokenizer: list sets it too'],
    ['runs: {a: {}}\ngrid: {seed: [0]}', 'runs: names every run, and so leaves nothing to grid'],
    ['- 1', 'expected a sweep, such as "grid: {seed: [0, 1]}"'],
    ['null', 'expected a sweep'],
  ])('says what it got and what it takes: %j', (yaml, message) => {
    expect(() => sweepOf(yaml)).toThrow(message);
  });

  it.each([
    [
      'grid: {size.expert: [8, 16]}',
      'a.yaml: the run expert=8: settings: unknown setting "size.expert". Did you mean size.experts?',
    ],
    ['grid: {size.experts: [8, many]}', 'a.yaml: the run experts=many: settings: size.experts: got "many", expected'],
    ['grid: {router: [top-k, lpar]}', 'a.yaml: the run lpar: unknown router "lpar". Did you mean lpr?'],
    ['grid: {preset: [tiny, tinny]}', 'a.yaml: the run tinny: unknown preset "tinny". Did you mean tiny?'],
    [
      'grid: {router: [top-k, lpr], lpr.strength: [1, 2]}',
      'the router top-k does not read lpr; give that to the runs that do',
    ],
    [
      'list: [{size.topK: 1}, {size.topK: 1, size.experts: 8}]',
      'the runs base and experts=8 come to the same settings',
    ],
    [
      'grid: {size.experts: [8, 16]}\nbaseline: experts=9',
      'baseline: unknown run "experts=9". Did you mean experts=8?',
    ],
    ['runs: {..: {}}', 'a.yaml: a run is called "..", but its name is that of its folder'],
    [`runs: {${'x'.repeat(300)}: {}}`, 'a.yaml: a run is called "xxxxxxxxxxxxxxxxxxxx...", 300 bytes in UTF-8'],
    [`runs: {${'x'.repeat(199)}: {}}\nseeds: 2`, '201 bytes in UTF-8, but a name has at most 200: shorten it'],
    ['runs: {"": {}}\nseeds: 2', 'a.yaml: a run is called "", but its name is that of its folder'],
    ['runs: {"\\e[31m": {size: {topK: 0}}}', 'a.yaml: a run is called "\\u001b[31m", but'],
    ['runs: {LPR: {}, lpr: {router: top-k}}', 'a.yaml: the runs "LPR" and "lpr" have one folder where'],
    ['runs: {a: {size: {topK: 0}}}', 'a.yaml: the run a: settings: size.topK: got 0, expected'],
  ])('names the run and the setting: %j', (yaml, message) => {
    expect(() => runsOf(yaml)).toThrow(message);
  });

  it('with millions of combinations is refused before any is made', () => {
    const ten = JSON.stringify(Array.from({ length: 10 }, (_, i) => i + 1));
    const grid = ['steps', 'warmup', 'stable', 'accumulation', 'logEvery', 'weightDecay', 'clipNorm'];
    const yaml = `grid: {${grid.map((name) => `training.${name}: ${ten}`).join(', ')}}`;
    expect(() => runsOf(yaml)).toThrow('a.yaml: it comes to 10,000,000 runs; a sweep has at most 1,000.');
  });

  it('that is no YAML, or not there, is named', () => {
    writeFileSync(join(work, 'broken.yaml'), 'grid: [');
    expect(() => readSweepFile(join(work, 'broken.yaml'))).toThrow(/broken\.yaml: it is no YAML/);
    expect(() => readSweepFile(join(work, 'gone.yaml'))).toThrow(/gone\.yaml: .*ENOENT/);
  });
});

it('the schema for editors knows every field, and settings as files of them have it', () => {
  const schema = JSON.parse(JSON.stringify(sweepJsonSchema())) as { properties: Record<string, unknown> };
  expect(Object.keys(schema.properties).toSorted()).toEqual([
    'baseline',
    'config',
    'grid',
    'list',
    'preset',
    'random',
    'runs',
    'seeds',
    'settings',
    'slurm',
  ]);
  const { properties } = JSON.parse(JSON.stringify(configJsonSchema())) as { properties: unknown };
  expect(schema.properties['settings']).toMatchObject({ properties });
});
