import { describe, expect, it } from 'vitest';
import { flatSettings, parseResult, renderView, resultText, shareSettings, withSharedSettings } from '../src/index.ts';
import { sampleRun, sampleRuns } from './samples.ts';

const view = (text: Record<string, string>) => new Map(Object.entries(text));

describe('a table of runs', () => {
  const runs = [
    sampleRun({ testLoss: 4.8 }),
    sampleRun({ testLoss: 5, seed: 1, mean: { gini: 0.03, minMax: 0.8 } }),
    sampleRun({ name: 'top-k', title: 'Qwen3-MoE', testLoss: 4.7, latentDim: null, worst: null }),
  ];

  it('has a row for each', () => {
    const lines = renderView(
      sampleRuns(runs),
      view({ columns: 'title; seed; testLoss; worst.gini; mutualInformation' }),
    );
    expect(lines).toEqual([
      '|               | seed | test loss | worst Gini |    MI |',
      '| ------------- | ---: | --------: | ---------: | ----: |',
      '| Qwen3-MoE-LPR |    0 |     4.800 |      0.036 | 1.667 |',
      '| Qwen3-MoE-LPR |    1 |     5.000 |      0.036 | 1.667 |',
      '| Qwen3-MoE     |    0 |     4.700 |            | 1.667 |',
      '',
      '- Held-out text, 102,400 tokens.',
      '- A row of one seed has no interval: how far another seed would be from it is not known.',
    ]);
  });

  it('shows what tokens used, where a run says so, and reads results that do not', () => {
    const emptySlots = { dropped: 0, null: 0.25, inactive: 0 };
    const usage = { activeParameters: 1.5e6, flopsPerToken: 2e6, emptySlots };
    const stored = sampleRuns([sampleRun({ usage, trainingFlops: 1e12 }), runs[1]!]);
    const read = parseResult(resultText(stored), 'a.json');
    expect(read).toEqual(stored);
    expect(renderView(read, view({ columns: 'seed; active; flops' })).slice(2, 4)).toEqual([
      '| 0    |   1.5M |         2M |',
      '| 1    |        |            |',
    ]);
    expect(renderView(read, view({ view: 'comparison', seed: '0' })).join(' ')).toContain('25 % null');
    const more = { ...usage, flopsPerToken: 3e6, emptySlots: { ...emptySlots, null: 0.75 } };
    const seeds = sampleRuns([sampleRun({ usage }), sampleRun({ usage: more, seed: 1 })]);
    expect(renderView(seeds, view({ by: 'name', columns: 'title; flops' }))[2]).toBe('| Qwen3-MoE-LPR |       2.5M |');
    expect(renderView(seeds, view({ view: 'comparison' })).join(' ')).toContain('50 % null');
    expect(renderView(read, view({ view: 'comparison', seed: '1' })).join(' ')).not.toContain('FLOP');
  });

  it('averages over seeds, with the interval of the mean, sorts, and names levels and differences', () => {
    const result = sampleRuns(runs, { titles: { lpr: 'corrected' } });
    const lines = renderView(
      result,
      view({
        by: 'name',
        columns: 'title; seed: seeds; testLoss; gini',
        sort: 'testLoss',
        levels: 'yes',
        baseline: 'lpr',
      }),
    );
    // Of two values 12.706 times half their distance: 4.8 and 5, 0.0275 and 0.03.
    expect(lines).toEqual([
      '|                  | seeds |     test loss |          Gini |',
      '| ---------------- | ----: | ------------: | ------------: |',
      '| Qwen3-MoE        |     0 |         4.700 |         0.028 |',
      '| corrected        |  0, 1 | 4.900 ± 1.271 | 0.029 ± 0.016 |',
      '| sampling floor   |       |               |         0.004 |',
      '| isotropic null   |       |               |         0.039 |',
      '| _Less corrected_ |       |               |               |',
      '| Qwen3-MoE        |       |        -0.100 |         0.000 |',
      '',
      '- Held-out text, 102,400 tokens.',
      "- ± is the 95 % interval of the mean over seeds (Student's t).",
      '- A row of one seed has no interval: how far another seed would be from it is not known.',
    ]);
  });

  it('has the floor of the text with its range, as mean over seeds, and as nothing where it is not known', () => {
    const floor = (mean: number) => ({ gini: { mean, low: mean - 0.01, high: mean + 0.01 }, minMax: 0.5 });
    const result = sampleRuns([
      sampleRun({ textFloor: floor(0.03) }),
      sampleRun({ name: 'top-k' }),
      sampleRun({ name: 'two', textFloor: floor(0.03) }),
      sampleRun({ name: 'two', seed: 1, textFloor: floor(0.04) }),
    ]);
    const columns = 'name; gini; text.gini: floor; text.minMax';
    expect(renderView(result, view({ columns, by: 'name' })).slice(0, 5)).toEqual([
      '|       |          Gini |               floor | min-max, text floor |',
      '| ----- | ------------: | ------------------: | ------------------: |',
      '| lpr   |         0.028 | 0.030 (0.020-0.040) |               0.500 |',
      '| top-k |         0.028 |                     |                     |',
      '| two   | 0.028 ± 0.000 |       0.035 ± 0.064 |       0.500 ± 0.000 |',
    ]);
    expect(() => renderView(sampleRuns([sampleRun()]), view({ columns }))).toThrow('there is no column "text.gini"');
  });

  it('chooses runs by name and seed, and columns by the paths of settings', () => {
    const { shared, runs: apart } = shareSettings([
      sampleRun({ settings: flatSettings({ lpr: { temperature: 2, ema: 'off' }, seeds: [1, 2] }) }),
      sampleRun({ settings: flatSettings({ lpr: { temperature: 2, ema: 'off' }, seeds: [1, 2] }), seed: 1 }),
      sampleRun({ settings: flatSettings({ lpr: { temperature: 4, ema: 'off' }, seeds: [1, 2] }), name: 'warm' }),
      sampleRun({ settings: flatSettings({ seeds: [1, 2] }), name: 'top-k' }),
    ]);
    expect(shared).toEqual({ 'lpr.temperature': 2, 'lpr.ema': 'off', seeds: '[1,2]' });
    expect(apart.map(({ settings }) => settings)).toEqual([{}, {}, { 'lpr.temperature': 4 }, {}]);
    const all = { 'lpr.temperature': 2, 'lpr.ema': 'off', seeds: '[1,2]' };
    // A run that has not got a setting is told apart from none that has it as most have.
    expect(withSharedSettings({ shared, runs: apart }).map(({ settings }) => settings)).toEqual([
      ...[all, all, { ...all, 'lpr.temperature': 4 }, all],
    ]);
    // One that has others of the group does without it.
    const optional = [{ steps: 320, rates: [0.1] }, { steps: 320 }, { steps: 160 }, { steps: 320 }];
    const trained = shareSettings(optional.map((training) => sampleRun({ settings: flatSettings({ training }) })));
    expect(trained.shared).toEqual({ 'training.steps': 320 });
    expect(trained.runs.map(({ settings }) => settings)).toEqual([
      ...[{ 'training.rates': '[0.1]' }, {}, { 'training.steps': 160 }, {}],
    ]);
    const further = shareSettings([{ from: 'first' }, {}].map((settings) => sampleRun({ settings })));
    expect([further.shared, ...further.runs.map(({ settings }) => settings)]).toEqual([{}, { from: 'first' }, {}]);
    const result = sampleRuns(apart, { shared });
    const columns = 'name; lpr.temperature: temperature; lpr.ema';
    expect(renderView(result, view({ columns, names: 'warm; lpr', seed: '0' }))).toEqual([
      '|      | temperature | lpr.ema |',
      '| ---- | ----------: | ------- |',
      '| warm |           4 | off     |',
      '| lpr  |           2 | off     |',
      '',
      '- Held-out text, 102,400 tokens.',
    ]);
  });

  it('has columns of what loads cost, as means over seeds with their errors, where they are known', () => {
    const placement = (ranks: number) => ({ 'ranks.4': ranks, 'capacity.1.25': ranks - 1 });
    const costly = [
      sampleRun({ placement: placement(1.5) }),
      sampleRun({ placement: placement(1.7), seed: 1 }),
      sampleRun({ name: 'top-k', title: 'Qwen3-MoE' }),
    ];
    expect(renderView(sampleRuns(costly), view({ columns: 'title; ranks.4; capacity.1.25', by: 'name' }))).toEqual([
      '|               |       4 ranks | dropped at 1.25 |',
      '| ------------- | ------------: | --------------: |',
      '| Qwen3-MoE-LPR | 1.600 ± 1.271 |   0.600 ± 1.271 |',
      '| Qwen3-MoE     |               |                 |',
      '',
      '- Held-out text, 102,400 tokens.',
    ]);
    expect(() => renderView(sampleRuns(costly), view({ columns: 'title; ranks.64' }))).toThrow('capacity.1.25');
  });

  it.each([
    [{ columns: 'title; loss' }, 'there is no column "loss"; there are name, title,'],
    [{}, 'columns names no columns'],
    [{ columns: 'title', by: 'name', baseline: 'x' }, 'baseline is "x"; there are lpr, top-k'],
    [{ view: 'comparison', baseline: 'x' }, 'baseline is "x"; there are lpr, top-k'],
    [{ columns: 'title', by: 'seed' }, 'by is "seed", not run or name'],
    [{ columns: 'title', names: 'lpr; other' }, 'there is no run of that name or seed; there are lpr (seed 0)'],
    [{ columns: 'title', order: 'gini' }, 'there is no key "order" here; there are view, columns, by'],
    [{ view: 'pictures' }, 'there is no view "pictures"; there are comparison, paper, runs'],
  ])('says of %j what it does not know', (options, message) => {
    expect(() => renderView(sampleRuns(runs), view(options as Record<string, string>))).toThrow(message);
  });
});

describe('the text of a comparison', () => {
  const plain = (lines: readonly string[]) => lines.map((line) => line.replace(/ +/g, ' '));

  it('has a level for each number of experts a token, with its range where that is known', () => {
    const one = sampleRun({
      name: 'switch',
      title: 'Switch',
      topK: 0.86,
      pValue: 1e-9,
      samplingFloor: { gini: { mean: 0.01, low: 0.008, high: 0.012 }, minMax: 0.9 },
    });
    const lines = renderView(
      sampleRuns([sampleRun({ mean: { gini: null, minMax: 0 } }), one]),
      view({ view: 'comparison' }),
    );
    expect(plain(lines)).toEqual([
      '```',
      expect.stringMatching(/^102,400 held-out tokens; k is what ran; .*MI is/),
      ' k test loss Gini min-max MI tokens/s',
      'Qwen3-MoE-LPR 4 4.8400 - 0.000 (0.744) 1.667 9,621',
      'Switch * 0.86 4.8400 0.028 (0.036) 0.814 (0.744) 1.667 9,621',
      'sampling floor, k 4 0.004 0.967',
      'sampling floor, k 1 0.010 (0.008-0.012) 0.900',
      'isotropic null 0.039 0.729',
      expect.stringMatching(/^A row of one seed has no interval/),
      expect.stringMatching(/^\* The load differs from that of a uniform router: .*p < 0.01/),
      '```',
    ]);
  });

  it('sets rows of the paper below', () => {
    const paper = [
      {
        number: 1,
        title: '',
        rows: [{ title: 'Qwen3-MoE', baseline: null, runs: {}, testLoss: 3.666, gini: 0.71, minMax: 1.27e-16 }],
      },
    ];
    const lines = renderView(sampleRuns([sampleRun()], { paper }), view({ view: 'comparison' }));
    expect(lines.at(-4)).toContain('The paper, table 1');
    expect(plain(lines).at(-3)).toBe('Qwen3-MoE 3.666 0.710 1.27e-16');
  });

  it('compares means over seeds with those of the own router, unless another is named', () => {
    const runs = [4.8, 5].flatMap((testLoss, seed) => [
      sampleRun({ seed, testLoss }),
      sampleRun({ name: 'top-k', title: 'Qwen3-MoE', seed, testLoss: testLoss + 0.25 }),
    ]);
    const lines = plain(renderView(sampleRuns(runs), view({ view: 'comparison' })));
    expect(lines[1]).toMatch(/^102,400 held-out tokens; .*; means over 2 seeds \(0, 1\); /);
    expect(lines[3]).toMatch(/^Qwen3-MoE-LPR 4 4\.9000 ± 1\.2706 0\.028 ± 0\.000 \(0\.036\) /);
    const difference = lines.indexOf('Less Qwen3-MoE, in pairs of a seed');
    expect(lines[difference + 1]).toMatch(/^Qwen3-MoE-LPR -0\.2500 ± 0\.0000 § 0\.000 ± 0\.000 /);
    const others = plain(renderView(sampleRuns(runs), view({ view: 'comparison', baseline: 'lpr' })));
    expect(others).toContain('Less Qwen3-MoE-LPR, in pairs of a seed');
  });
});
