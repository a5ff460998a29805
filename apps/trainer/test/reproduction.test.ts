import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { latentPrototypePresets } from '@lpr/moe';
import { afterAll, describe, expect, it } from 'vitest';
import { PAPER_TABLES, type PaperTableNumber } from '../src/comparison/paper.ts';
import { formulationNames, REPRODUCED, reproductionOf, tableNumbers } from '../src/comparison/reproduction.ts';
import { baselineRow } from '../src/comparison/baselines.ts';
import { resolveSettings, type SettingOptions } from '../src/settings/resolve.ts';

const ALL = tableNumbers(['all']);

const work = mkdtempSync(join(tmpdir(), 'lpr-reproduction-'));
const presetFile = join(work, 'preset.yaml');
writeFileSync(presetFile, 'preset: paper/mixtral-lpr');
afterAll(() => rmSync(work, { recursive: true }));

const ROUTERS = [
  ['corrected', 'lpr'],
  ['paper', 'lpr-paper'],
  ['official', 'lpr-official'],
] as const;

function options(given: Partial<SettingOptions> = {}): SettingOptions {
  return { preset: 'tiny', config: [], set: [], ...given };
}

describe('the runs of the tables', () => {
  it.each(ROUTERS)('are as many as differ, of %s', (formulation, router) => {
    const { runs, tables } = reproductionOf(ALL, options(), [formulation]);
    expect([...tables.keys()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const rowsOf = (table: PaperTableNumber): readonly string[] => tables.get(table)!.get(formulation)!;
    for (const table of ALL) expect(rowsOf(table)).toHaveLength(PAPER_TABLES[table].rows.length);
    expect(new Set(ALL.flatMap(rowsOf))).toEqual(new Set(runs.keys()));
    const different = new Set(Array.from(runs.values(), (settings) => JSON.stringify(settings)));
    expect(different.size).toBe(runs.size);
    // The six tables around the whole of LPR share its run.
    for (const table of [2, 3, 4, 6, 7, 8] as const) expect(rowsOf(table)).toContain(router);
    expect(runs.get(router)).toEqual(resolveSettings(options({ router })));
  });

  it('of several formulations share what is the same in them', () => {
    const names = Object.keys(REPRODUCED);
    const { runs, tables } = reproductionOf(ALL, options(), names);
    for (const rows of tables.values()) expect([...rows.keys()]).toEqual(names);
    const [paper, official, corrected, unbiased] = names.map((name) => tables.get(1)!.get(name)!);
    for (const row of [0, 2, 4]) {
      expect(new Set([paper![row], official![row], corrected![row], unbiased![row]]).size).toBe(1);
    }
    const different = new Set(Array.from(runs.values(), (settings) => JSON.stringify(settings)));
    expect(different.size).toBe(runs.size);
    expect(runs.size).toBeGreaterThan(4 * 25);
    // Without the bias, each row is that of corrected but for it.
    for (const [number, rows] of tables) {
      for (const [i, { isOwnRouter }] of PAPER_TABLES[number].rows.entries()) {
        const [own, without] = ['corrected', 'no-bias'].map((name) => runs.get(rows.get(name)![i]!)!);
        if (isOwnRouter) expect(without).toBe(own);
        else {
          const training = { ...own!.training, calibration: null };
          expect(without).toEqual({ ...own, training, lpr: { ...own!.lpr, selectionBiasRate: 0 } });
        }
      }
    }
    expect(corrected![6]).toBe('lpr,prototypeStart=normal');
    expect(unbiased![6]).toBe('lpr,selectionBiasRate=0,prototypeStart=normal');
  });

  it('differ from what the options name by what the rows say', () => {
    const set = ['lpr.strength=0.5', 'training.steps=7'];
    const { runs, tables } = reproductionOf(ALL, options({ arch: 'mixtral', seed: 5, set }), ['corrected']);
    const base = resolveSettings(options({ arch: 'mixtral', seed: 5, set }));
    const strengths = tables
      .get(4)!
      .get('corrected')!
      .map((name) => runs.get(name)!.lpr!.strength);
    expect(strengths).toEqual([0, 0.5, 2, 5, 25]);
    expect(runs.get('lpr,latentDim=64')).toEqual({ ...base, lpr: { ...base.lpr, latentDim: 64 } });
    expect(runs.get('lpr,strength=0,experts=512,topK=1')).toMatchObject({
      size: { ...base.size, experts: 512, topK: 1 },
      lpr: { ...base.lpr, strength: 0 },
    });
    expect(tables.get(1)!.get('corrected')).toEqual([
      'top-k',
      'lpr,prototypeStart=normal',
      'deepseek-v3,top-k',
      'deepseek-v3,lpr,prototypeStart=normal',
      'qwen3-moe,top-k',
      'qwen3-moe,lpr',
      'qwen3-moe,lpr,prototypeStart=normal',
    ]);
    const own = runs.get('deepseek-v3,top-k')!;
    expect(own).toMatchObject({ architecture: 'deepseek-v3', router: 'top-k', seed: 5, training: { steps: 7 } });
    expect(own.lpr).toBeUndefined();
  });

  it("take each architecture's sizes where the preset is the paper's", () => {
    const { runs } = reproductionOf([1], options({ preset: 'paper/qwen3-moe-lpr' }), ['official']);
    expect(runs.get('mixtral,top-k')).toEqual(resolveSettings(options({ preset: 'paper/mixtral' })));
    expect(runs.get('deepseek-v3,lpr-official')).toEqual(resolveSettings(options({ preset: 'paper/deepseek-v3-lpr' })));
    expect(latentPrototypePresets.official.prototypeStart).toBe('normal');
  });

  it("train 100M tokens a row at the paper's size, but for table 1, unless asked otherwise", () => {
    const stepsOf = (table: PaperTableNumber, given: Partial<SettingOptions> = {}): Set<number> => {
      const { runs } = reproductionOf([table], options({ preset: 'paper/qwen3-moe-lpr', ...given }), ['official']);
      return new Set(Array.from(runs.values(), ({ training }) => training.steps));
    };
    const { data, training } = resolveSettings(options({ preset: 'paper/qwen3-moe-lpr' }));
    expect((362 * training.accumulation * data.batchSize * data.sequenceLength) / 1e8).toBeCloseTo(1, 2);
    expect(stepsOf(1)).toEqual(new Set([4_000]));
    for (const table of [2, 3, 4, 5, 6, 7, 8] as const) expect(stepsOf(table)).toEqual(new Set([362]));
    expect(stepsOf(2, { steps: 4_000 })).toEqual(new Set([4_000]));
    expect(stepsOf(2, { set: ['training.steps=4000'] })).toEqual(new Set([4_000]));
    expect(stepsOf(2, { set: ['training={steps: 4000}'] })).toEqual(new Set([4_000]));
    const file = join(work, 'steps.yaml');
    writeFileSync(file, 'training: { steps: 4000 }');
    expect(stepsOf(2, { config: [file] })).toEqual(new Set([4_000]));
    expect(stepsOf(2, { steps: 7 })).toEqual(new Set([7]));
    expect(stepsOf(2, { preset: 'paper-0.1b/mixtral-lpr' })).toEqual(new Set([362]));
    expect(stepsOf(2, { preset: 'quick' })).toEqual(new Set([320]));
    // So the whole of LPR is another run there than in table 1.
    const { tables } = reproductionOf([1, 2], options({ preset: 'paper/qwen3-moe-lpr' }), ['official']);
    expect(tables.get(2)!.get('official')![0]).toBe('lpr-official,steps=362');
  });

  it('set what table 8 names', () => {
    const { runs, tables } = reproductionOf([8], options(), ['corrected']);
    expect(tables.get(8)!.get('corrected')).toEqual([
      'lpr',
      'lpr,ema=hard',
      'lpr,ema=soft',
      'lpr,ema=official,emaDecay=0.8',
      'lpr,unitBallConstraint=true',
      'lpr',
      'lpr,prototypeStart=normal',
      'lpr,prototypeStart=orthogonal',
    ]);
    expect(runs.get('lpr,ema=hard')!.lpr).toMatchObject({ ema: 'hard', emaDecay: 0.9 });
  });

  it('are the same where a file names the preset', () => {
    const { preset: _, ...rest } = options({ config: [presetFile] });
    const names = ['official'];
    expect(reproductionOf([1], rest, names)).toEqual(
      reproductionOf([1], options({ preset: 'paper/mixtral-lpr' }), names),
    );
  });

  it.each(['corrected', 'paper'] as const)(
    "are regularised as %s is, where the preset is the paper's",
    (formulation) => {
      const { runs } = reproductionOf([1, 2], options({ preset: 'paper/mixtral-lpr' }), [formulation]);
      const ours = [...runs.values()].filter(({ lpr }) => lpr !== undefined);
      const { strength, alignmentWeight } = latentPrototypePresets[formulation];
      for (const { lpr, training } of ours) {
        expect(training.accumulatedTerms).toBe('mean');
        expect(lpr!.strength).toBe(strength);
        expect([alignmentWeight, 0]).toContain(lpr!.alignmentWeight);
      }
      expect(runs.get('qwen3-moe,top-k')!.training.accumulatedTerms).toBe('sum');
    },
  );

  it('are those of the tables that were named, or a clear error', () => {
    expect(tableNumbers(['3', '1', '3'])).toEqual([3, 1] satisfies PaperTableNumber[]);
    expect(() => tableNumbers(['9'])).toThrow('unknown table "9". Known: 1, 2, 3, 4, 5, 6, 7, 8, all');
  });
});

describe('the formulations', () => {
  it('are all, the one of a router, or those of a list', () => {
    expect(formulationNames(options())).toEqual(['paper', 'official', 'corrected', 'no-bias']);
    expect(formulationNames(options({ preset: 'paper/mixtral-lpr' }))).toHaveLength(4);
    for (const [formulation, router] of ROUTERS) {
      expect(formulationNames(options({ router }))).toEqual([formulation]);
      expect(formulationNames(options({ set: [`router=${router}`] }))).toEqual([formulation]);
    }
    expect(formulationNames(options(), 'no-bias, paper')).toEqual(['no-bias', 'paper']);
    // A file that holds every setting names a router too.
    expect(formulationNames(options({ set: ['router=lpr'] }), 'paper')).toEqual(['paper']);
  });

  it.each([
    [
      { router: 'switch' },
      undefined,
      '--router switch: the tables are about LPR; name one of its formulations: lpr-paper, lpr-official, lpr',
    ],
    [{ router: 'lpr' }, 'paper', '--formulations paper: --router lpr names one already; leave one of them out'],
    [{}, 'papper', 'Did you mean paper?'],
    [{}, 'paper,paper', '--formulations paper,paper: name each once'],
    [{}, '', 'unknown formulation ""'],
  ])('with %j and %j are a clear error', (given, list, message) => {
    expect(() => formulationNames(options(given), list)).toThrow(message);
  });
});

describe('the row that a row is compared with', () => {
  it("is the architecture's own router, or what the paper settled on", () => {
    const titles = (table: PaperTableNumber): (string | undefined)[] => {
      const { rows } = PAPER_TABLES[table];
      return rows.map((row) => baselineRow(rows, row)?.title);
    };
    expect(titles(1)).toEqual([
      ...[undefined, 'Mixtral', undefined, 'DeepSeek-V3'],
      ...[undefined, 'Qwen3-MoE', 'Qwen3-MoE'],
    ]);
    expect(titles(2)).toEqual([undefined, 'all', 'all', 'all']);
    for (const table of [3, 4, 5, 6, 7, 8] as const) {
      expect(titles(table).filter((title) => title === undefined)).toHaveLength(1);
    }
  });
});
