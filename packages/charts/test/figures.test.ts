import fc from 'fast-check';
import { type BalanceKey, type BalanceMeasure, balanceMeasures, gini } from '@lpr/metrics';
import { describe, expect, test } from 'vitest';
import {
  cellFinder,
  coActivationMatrix,
  expertGroups,
  expertSimilarity,
  gradientNorms,
  latentSpace,
  loadHeatmap,
  loadHistory,
  loadHistorySize,
  lorenzCurves,
  lossBalance,
  lossTokens,
  parallelCoordinates,
  paretoFront,
  routerSaturation,
  routingStrip,
  specialisationBalance,
  stepTime,
  tokenScores,
  vocabularySpecialisation,
} from '../src/index.ts';
import { lorenzCurve } from '../src/lorenz.ts';
import { samples } from './samples.ts';

function measureOf(key: BalanceKey): BalanceMeasure {
  return balanceMeasures.find((measure) => measure.key === key)!;
}

interface CellSeries {
  data: [number, number, number][];
}

/** Value of each cell by `column,row`. */
function cellsOf(option: { series?: unknown }, panel = 0): Map<string, number> {
  const { data } = (option.series as CellSeries[])[panel]!;
  return new Map(data.map(([column, row, value]) => [`${column},${row}`, value]));
}

test('a figure is a function of its input: the same option each time', () => {
  const [first, second] = [1, 2].map(() =>
    samples({ layers: 2, experts: 8 }).map(({ option }) => JSON.stringify(option('dark'))),
  );
  expect(first).toEqual(second);
});

test('twice the area between a Lorenz curve and the diagonal is the Gini coefficient', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 64 }), (loads) => {
      fc.pre(loads.some((load) => load > 0));
      const curve = lorenzCurve(loads);
      const area = curve.slice(1).reduce((sum, share, i) => sum + (share + curve[i]!) / 2 / loads.length, 0);
      expect(1 - 2 * area).toBeCloseTo(gini(loads), 9);
    }),
  );
});

test('a line of one point has one dot, and another one beside a name that had to move away', () => {
  const at = (losses: readonly number[]) =>
    lossTokens({
      title: 'Held-out loss',
      runs: losses.map((loss, i) => ({ name: `run ${i}`, gini: i / 10, points: [[1000, loss]] as const })),
    }).series as { endLabel?: { formatter: string } }[];
  const dots = (losses: readonly number[]) => at(losses).map(({ endLabel }) => endLabel!.formatter.includes('●'));
  expect(dots([3, 4])).toEqual([false, false]);
  expect(dots([3, 3.001, 4])).toContain(true);
});

test('words on an axis of parallel coordinates have their marks at their places', () => {
  const runs = ['lpr', 'top-k'].map((router, i) => ({ name: router, values: [router, i] }));
  const axes = [
    { title: 'router', kind: 'category' as const },
    { title: 'loss', kind: 'linear' as const },
  ];
  const drawn = parallelCoordinates({ axes, runs, colourAxis: 1 }).parallelAxis as {
    axisTick: { alignWithLabel?: boolean };
  }[];
  expect(drawn.map(({ axisTick }) => axisTick.alignWithLabel)).toEqual([true, undefined]);
});

test('a Lorenz curve of several seeds is their mean, in a band that reaches around all', () => {
  const seeds = [
    { name: 'a, seed 0', counts: [[1, 1, 2]] },
    { name: 'a, seed 1', counts: [[0, 0, 8]] },
  ];
  const option = lorenzCurves({ models: [{ name: 'a', counts: seeds[0]!.counts, seeds }] });
  const [line, , band] = option.series as { name: string; data: number[][] }[];
  const curves = seeds.map(({ counts }) => lorenzCurve(counts[0]!));
  expect(line!.name).toBe(`a (Gini ${((gini([1, 1, 2]) + gini([0, 0, 8])) / 2).toFixed(3)})`);
  expect(line!.data.map(([, share]) => share)).toEqual(curves[0]!.map((share, i) => (share + curves[1]![i]!) / 2));
  expect(band!.data.map(([, low, high]) => [low, high])).toEqual(
    curves[0]!.map((share, i) => [Math.min(share, curves[1]![i]!), Math.max(share, curves[1]![i]!)]),
  );
});

test('scores of a token are places within their layer, and those that got it are framed', () => {
  const layers = [
    { layer: 3, scores: [2, 4, 3], chosen: [1] },
    { layer: 5, scores: [-1e30, 0.5, 0.25], chosen: [1, 2] },
    { layer: 6, scores: [1, 1, Number.NaN], chosen: [0] },
  ];
  const option = tokenScores({ name: 'of', layers });
  expect(Array.from(cellsOf(option).values())).toEqual([0, 1, 0.5, Number.NaN, 1, 0, 1, 1, Number.NaN]);
  const frames = (option.graphic as { type: string; style: { lineWidth?: number } }[]).filter(
    ({ type, style }) => type === 'rect' && style.lineWidth === 2,
  );
  expect(frames).toHaveLength(4);
  expect(() => tokenScores({ name: 'of', layers: [] })).toThrow('need a layer, and as many experts in each; got none');
  expect(() => tokenScores({ name: 'of', layers: [layers[0]!, { ...layers[1]!, scores: [1] }] })).toThrow('got 3, 1');
});

describe('parallel coordinates', () => {
  const axes = [
    { title: 'router', kind: 'category' as const },
    { title: 'rate', kind: 'log' as const },
    { title: 'loss', kind: 'linear' as const },
  ];
  const run = (name: string, ...values: (number | string | null)[]) => ({ name, values });

  test.each([1, 16, 40])(
    'of %i runs have a line for each, which goes through a place below where it has no value',
    (count) => {
      const runs = Array.from({ length: count }, (_, i) =>
        run(`${i}`, i % 2 === 0 ? 'lpr' : null, i % 5 === 2 ? null : 10 ** -(1 + (i % 4)), 40 - i),
      );
      const option = parallelCoordinates({ axes, runs, colourAxis: 2 });
      const series = option.series as { name: string; data: number[][] }[];
      expect(series.map(({ name }) => name).toSorted()).toEqual(runs.map(({ name }) => name).toSorted());
      // The lowest is drawn last.
      expect(series.at(-1)!.name).toBe(`${count - 1}`);
      const crossings = new Map(series.map(({ name, data }) => [name, data[0]]));
      if (count === 1) {
        expect(crossings.get('0')).toEqual([0, 0.1, 40]);
        return;
      }
      // Words from below: none, lpr.
      expect(crossings.get('0')).toEqual([1, 0.1, 40]);
      expect(crossings.get('1')).toEqual([0, 0.01, 39]);
      const [, rates] = option.parallelAxis as { min: number; axisLabel: { formatter: (value: number) => string } }[];
      expect(crossings.get('2')).toEqual([1, rates!.min, 38]);
      expect(rates!.min).toBeLessThan(1e-4);
      expect([rates!.min, 0.01].map(rates!.axisLabel.formatter)).toEqual(['none', '0.01']);
    },
  );

  test('have one place for the word none and for no word', () => {
    const runs = [run('a', null, 1, 1), run('b', 'none', 1, 2), run('c', 'lpr', 1, 3)];
    const { parallelAxis, series } = parallelCoordinates({ axes, runs, colourAxis: 2 }) as unknown as {
      parallelAxis: { data: string[] }[];
      series: { data: number[][] }[];
    };
    expect(parallelAxis[0]!.data).toEqual(['none', 'lpr']);
    expect(series.map(({ data }) => data[0]![0])).toEqual([1, 0, 0]);
  });

  test('refuse what their axes cannot show', () => {
    const draw = (...values: (number | string | null)[]) =>
      parallelCoordinates({ axes, runs: [run('a', ...values)], colourAxis: 2 });
    expect(() => draw('lpr', 0, 1)).toThrow('run "a" has 0 on the log axis "rate"');
    expect(() => draw('lpr', 1, 'low')).toThrow('run "a" has "low" on the linear axis "loss"');
    expect(() => draw('lpr', 1, NaN)).toThrow('on the linear axis "loss"');
    expect(() => draw('lpr', 1)).toThrow('run "a" has 2 values; there are 3 axes');
    expect(() => parallelCoordinates({ axes: [], runs: [], colourAxis: 0 })).toThrow('at least one axis');
  });
});

test('the Pareto front holds those that no other beats', () => {
  const point = fc.tuple(fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 8 }));
  fc.assert(
    fc.property(fc.array(point, { maxLength: 20 }), (points) => {
      const beaten = ([a, b]: [number, number]) => points.some(([c, d]) => c <= a && d <= b && (c < a || d < b));
      const expected = points.flatMap((p, i) => (beaten(p) ? [] : [i]));
      expect(paretoFront(points).toSorted((a, b) => a - b)).toEqual(expected);
    }),
  );
});

test('more balance is better in min-max: the front goes the other way', () => {
  const runs = [
    { name: 'even', loss: 3.2, balance: 0.9 },
    { name: 'uneven', loss: 3, balance: 0.1 },
    { name: 'neither', loss: 3.3, balance: 0.5 },
  ];
  const series = lossBalance({ runs, measure: measureOf('minMax') }).series as { type: string; data: unknown[] }[];
  expect(series.find(({ type }) => type === 'line')!.data).toEqual([
    [0.1, 3],
    [0.9, 3.2],
  ]);
});

describe('cells', () => {
  test('sorted, a heatmap has the loads of each layer in descending order and still names the expert', () => {
    const option = loadHeatmap({ models: [{ name: '<b>', counts: [[1, 3, 2, 2]] }], order: 'load' });
    expect(Array.from(cellsOf(option).values())).toEqual([1.5, 1, 1, 0.5]);
    const [series] = option.series as { tooltip: { formatter: (params: object) => string } }[];
    expect(series!.tooltip.formatter({ value: [0, 0, 1.5] })).toBe(
      '&#60;b&#62;<br>layer 0, expert 1: 1.500 of the uniform share',
    );
  });

  test('a history of many windows adds them up before it divides', () => {
    const windows = Array.from({ length: 240 }, (_, i) => ({ step: i + 1, counts: i % 2 === 0 ? [3, 1] : [1, 1] }));
    const option = loadHistory({ panels: [{ name: 'Layer 0', windows }] });
    const cells = cellsOf(option);
    expect(cells.size).toBe(240);
    expect(cells.get('0,0')).toBeCloseTo(4 / 3, 12);
    expect(cells.get('119,1')).toBeCloseTo(2 / 3, 12);
    expect((option.xAxis as { data: string[] }[])[0]!.data.slice(-1)).toEqual(['240']);
  });

  test('many experts are drawn in blocks with the mean of what is known, without the diagonal', () => {
    const experts = 384;
    const shares = Array.from({ length: experts }, (_, i) =>
      Float64Array.from({ length: experts }, (_, j) => (i === 3 ? Number.NaN : Math.floor(j / 2) === 5 ? 0.5 : 0.25)),
    );
    const option = coActivationMatrix({ panels: [{ name: 'Layer 0', shares }] });
    expect((option.xAxis as { data: string[] }[])[0]!.data.slice(0, 3)).toEqual(['0', '2', '4']);
    expect(JSON.stringify(option.title)).toContain('in blocks of 2 × 2');
  });

  test('groups are shown over what an expert gets of all tokens, and not where it gets none', () => {
    const panel = { name: 'm', shares: [[0.8, 0.1, 0], [0.4, 0.3, 0]], overall: [0.4, 0.2, 0] }; // biome-ignore format: a matrix
    const option = expertGroups({ groups: ['prose', 'code'], groupName: 'domain', panels: [panel] });
    expect(Array.from(cellsOf(option).values())).toEqual([2, 0.5, Number.NaN, 1, 1.4999999999999998, Number.NaN]);
    const [series] = option.series as { tooltip: { formatter: (params: object) => string } }[];
    expect(series!.tooltip.formatter({ value: [0, 1, 1] })).toBe(
      'm<br>domain code, expert 0: 1.000 of the expected share',
    );
  });

  test('above 6,000 cells those of one colour are one shape', () => {
    // That each has its colour either way is tested with the heatmap.
    const counts = (layers: number) =>
      Array.from({ length: layers }, () => Array.from({ length: 100 }, (_, i) => i % 7));
    const few = loadHeatmap({ models: [{ name: 'm', counts: counts(60) }] }).series as { data: unknown[] }[];
    const many = loadHeatmap({ models: [{ name: 'm', counts: counts(61) }] }).series as { data: unknown[] }[];
    expect(few[0]!.data).toHaveLength(6000);
    expect(many[0]!.data.length).toBeLessThanOrEqual(7);
  });

  test.each([
    [48, 128],
    [24, 512],
  ])('each of %i x %i cells is found at its place, and none beside them', (layers, experts) => {
    const counts = Array.from({ length: layers }, (_, layer) =>
      Array.from({ length: experts }, (__, expert) => 1 + ((7 * layer + expert) % 5)),
    );
    const models = ['a', 'b'].map((name) => ({ name, counts }));
    const option = loadHeatmap({ models });
    const find = cellFinder(option)!;
    const grids = option.grid as { left: number; top: number; width: number; height: number }[];
    for (const [panel, { left, top, width, height }] of grids.entries()) {
      for (const [row, column] of [
        [0, 0],
        [layers - 1, experts - 1],
        [5, 77],
      ] as const) {
        const x = left + ((column + 0.4) / experts) * width;
        const y = top + ((row + 0.4) / layers) * height;
        const loads = counts[row]!;
        const share = loads.reduce((sum, load) => sum + load, 0) / experts;
        expect(find(x, y)).toEqual({
          ...{ panel, row, column },
          lines: [
            models[panel]!.name,
            `layer ${row}, expert ${column}: ${(loads[column]! / share).toFixed(3)} of the uniform share`,
          ],
        });
      }
      expect([find(left - 3, top + 1), find(left + 1, top + height + 3)]).toEqual([undefined, undefined]);
    }
    expect(cellFinder(loadHeatmap({ models: [{ name: 'few', counts: [[1, 2]] }] }))).toBeUndefined();
  });
});

describe('loss against tokens', () => {
  const run = (name: string, gini: number | null) => ({ name, gini, points: [[10, 3], [20, 2]] as const }); // biome-ignore format: points
  const { legend, series } = lossTokens({
    title: 'Loss',
    runs: [run('uneven', 0.6), run('dense', null), run('even', 0.1), run('alike', 0.1)],
  }) as unknown as {
    legend: { data: { name: string }[] };
    series: { name: string; color: string; lineStyle: { type?: number[] } }[];
  };

  test('names runs from the most even load to the least, and those without experts last', () => {
    expect(legend.data.map(({ name }) => name)).toEqual([
      'even (Gini 0.100)',
      'alike (Gini 0.100)',
      'uneven (Gini 0.600)',
      'dense (no experts)',
    ]);
  });

  test('has one colour for one Gini, and other dashes', () => {
    const [even, alike, uneven] = series;
    expect(even!.color).toBe(alike!.color);
    expect(even!.lineStyle.type).not.toEqual(alike!.lineStyle.type);
    expect(uneven!.color).not.toBe(even!.color);
  });
});

test('paths of specialisation go to the right as loads get more even, from hollow to filled', () => {
  const points = [0.5, 0.25, 0.125].map((gini, i) => ({ step: 10 * (i + 1), gini, information: i - 0.5 }));
  const option = specialisationBalance({
    runs: [
      { name: '<b>', points },
      { name: 'one', points: points.slice(2) },
    ],
  });
  const dots = (option.series as { type: string; data: unknown[] }[])
    .filter(({ type }) => type === 'scatter')
    .map(({ data }) => data as { value: number[]; itemStyle: { color: string }; tooltip: { formatter: string } }[]);
  expect(dots[0]!.map(({ value }) => value)).toEqual([[0.5, -0.5], [0.75, 0.5], [0.875, 1.5]]); // biome-ignore format: points
  expect(dots[0]!.map(({ itemStyle }) => itemStyle.color === '#ffffff')).toEqual([true, false, false]);
  expect(dots[1]![0]!.itemStyle.color).not.toBe('#ffffff');
  expect(dots[0]![2]!.tooltip.formatter).toBe('&#60;b&#62;, step 30<br>Gini 0.125, 1.500 nats');
  // Below its bias information is drawn too.
  expect((option.yAxis as { min: number }[])[0]!.min).toBeLessThan(0);
});

test('paths of one entry look alike and have one entry', () => {
  const points = [{ step: 1, gini: 0.5, information: 1 }];
  const runs = ['seed 1', 'seed 2'].map((name) => ({ name, entry: 'LPR', points }));
  const { legend, series } = specialisationBalance({ runs: [...runs, { name: 'top-k', points }] }) as unknown as {
    legend: { data: { name: string }[] };
    series: { name: string; color: string }[];
  };
  expect(legend.data.map(({ name }) => name)).toEqual(['LPR', 'top-k']);
  const [first, , second, , other] = series;
  expect([second!.name, second!.color]).toEqual([first!.name, first!.color]);
  expect(other!.color).not.toBe(first!.color);
  expect(() => specialisationBalance({ runs: [runs[0]!, runs[0]!] })).toThrow('two lines are named "seed 1"');
});

describe('the routing strip', () => {
  const layer = { layer: 3, experts: [[1, 2], [2, 0]], weights: [[0.75, 0.25], [0, 0]] }; // biome-ignore format: pairs
  const parts = routingStrip({ name: 'm', tokens: [' a\n', 'b'], layers: [layer] }).graphic as {
    type: string;
    shape?: { x: number; y: number; width: number };
    style: { text?: string; fill?: string };
  }[];

  test('is as wide per expert as its weight, and empty where no expert took the token', () => {
    const boxes = parts.filter(({ type }) => type === 'rect');
    expect(boxes).toHaveLength(3);
    const [first, second, none] = boxes.map(({ shape }) => shape!);
    expect((first!.width + 0.75) / (second!.width + 0.75)).toBeCloseTo(3, 9);
    expect(boxes[2]!.style.fill).toBe('none');
    // A token that ends a line is the last on it.
    expect(none!.y).toBeGreaterThan(first!.y);
  });

  test('shows what cannot be seen', () => {
    expect(parts.flatMap(({ style }) => style.text ?? [])).toEqual(['layer 3', 'layer 3', '␣a↵', 'b', '1', '2']);
  });
});

test('what a gradient does not reach is no line, and no panel', () => {
  const terms = [
    { name: 'task', points: [{ step: 1, router: 1, trunk: 2 }] },
    { name: 'diversity', points: [{ step: 1, router: 0.1, trunk: 0 }] },
  ];
  const option = gradientNorms({ terms });
  expect((option.title as { text: string }[]).map(({ text }) => text)).toEqual(['Router', 'Everything else']);
  expect((option.series as unknown[]).length).toBe(3);
});

test('what cannot be drawn is named', () => {
  expect(() => loadHistory({ panels: [{ name: 'm', windows: [] }] })).toThrow('"m" has no windows');
  expect(() => loadHistorySize({ panels: [] })).toThrow('at least one panel');
  expect(() => coActivationMatrix({ panels: [{ name: 'm', shares: [[1, 2]] }] })).toThrow('they must be square');
  expect(() => expertGroups({ groups: [], groupName: 'domain', panels: [] })).toThrow('got 0 and 0');
  const ragged = { name: 'm', shares: [[1, 2]], overall: [1] };
  expect(() => expertGroups({ groups: ['a'], groupName: 'domain', panels: [ragged] })).toThrow(
    'must be 1 groups x 1 experts, got 1 x 2',
  );
  expect(() => expertSimilarity({ panels: [] })).toThrow('at least one panel');
  expect(() => expertSimilarity({ panels: [{ name: 'm', similarity: [[1], [1]], mean: 0, independent: 0 }] })).toThrow(
    'the similarities of "m" are 2 x 1; they must be square',
  );
  expect(() => lossTokens({ title: 'Loss', runs: [] })).toThrow('at least one run');
  expect(() => lossTokens({ title: 'Loss', runs: [{ name: 'a', gini: 0, points: [] }] })).toThrow(
    'run "a" has no loss',
  );
  expect(() => specialisationBalance({ runs: [] })).toThrow('at least one run');
  expect(() => specialisationBalance({ runs: [{ name: 'a', points: [] }] })).toThrow('run "a" has no evaluation');
  expect(() =>
    specialisationBalance({ runs: [{ name: 'a', points: [{ step: 3, gini: Number.NaN, information: 0 }] }] }),
  ).toThrow('run "a" has Gini NaN and information 0 at step 3');
  expect(() => lossBalance({ runs: [], measure: measureOf('gini') })).toThrow('at least one run');
  expect(() =>
    lossBalance({ runs: [{ name: 'a', loss: Number.NaN, balance: 0 }], measure: measureOf('gini') }),
  ).toThrow('loss NaN');
  expect(() => routerSaturation({ runs: [] })).toThrow('at least one run');
  expect(() => routingStrip({ name: 'm', tokens: [], layers: [] })).toThrow('got 0 and 0');
  expect(() => gradientNorms({ terms: [{ name: 'task', points: [{ step: 1 }] }] })).toThrow('a gradient above 0');
  expect(() => stepTime({ runs: [{ name: 'm', phases: { router: -1 } }] })).toThrow('"router" of "m" takes -1 ms');
  expect(() => vocabularySpecialisation({ runs: [{ name: 'm', layers: [] }] })).toThrow('at least one layer');
  expect(() =>
    latentSpace({ panels: [{ name: 'm', points: [[0, 0]], experts: [], prototypes: [], explained: [1, 0] }] }),
  ).toThrow('1 points, but experts of 0');
});
