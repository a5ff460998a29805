import { describe, expect, test } from 'vitest';
import { type CurvesInput, type LineView, trainingCurves } from '../src/index.ts';

const steps = Array.from({ length: 100 }, (_, i) => i + 1);
const input: CurvesInput = {
  panels: [{ key: 'loss', title: 'Loss', subtitles: [], axis: 'Loss, nats per token', free: true }],
  runs: [0, 1].map((run) => ({
    name: `run ${run}`,
    series: { loss: steps.map((step) => [step, 100 / step + (step % 2)] as const) },
    clock: {
      tokens: steps.map((step) => [step, 256 * (run + 1) * step] as const),
      minutes: [10, 50, 100].map((step) => [step, step / 10] as const),
    },
  })),
  levels: [{ name: 'floor', ranges: { loss: { mean: 2, low: 0, high: 3 } } }],
};

function looked(view: LineView) {
  const { xAxis, yAxis, series } = trainingCurves({ ...input, view }) as unknown as {
    xAxis: { type: string; name: string; min: number; max: number }[];
    yAxis: { type: string; min: number; max: number }[];
    series: { name: string; data: [number, number][]; markArea?: { data: unknown } }[];
  };
  return { x: xAxis[0]!, y: yAxis[0]!, series, line: series[0]!.data };
}

describe('a figure of lines', () => {
  test('is across steps, tokens or minutes, each with its unit', () => {
    expect(looked({}).x).toMatchObject({ name: 'Step', min: 0, max: 100 });
    const tokens = looked({ x: 'tokens' });
    expect(tokens.x).toMatchObject({ name: 'Tokens trained on', max: 51_200 });
    expect(tokens.line[1]![0]).toBe(512);
    const minutes = looked({ x: 'minutes' });
    expect(minutes.x).toMatchObject({ name: 'Time trained, minutes', max: 10 });
    // Between the windows that closed the time is what it is in proportion.
    expect([minutes.line[4]![0], minutes.line[29]![0]]).toEqual([0.5, 3]);
    const { clock: _, ...timeless } = input.runs[0]!;
    expect(() => trainingCurves({ ...input, runs: [timeless], view: { x: 'minutes' } })).toThrow(
      'run "run 0" does not say its minutes',
    );
  });

  test('shows a part of its axis, with lines to its ends and the values that are there', () => {
    const part = looked({ range: [20.5, 40] });
    expect([part.x.min, part.x.max]).toEqual([20.5, 40]);
    expect(part.line[0]).toEqual([20.5, (100 / 20 + 100 / 21 + 1) / 2]);
    expect(part.line).toHaveLength(21);
    expect(part.y.max).toBeLessThan(10);
    expect(part.series.find(({ name }) => name === 'floor')!.data.map(([x]) => x)).toEqual([20.5, 40]);
    // What has nothing in it shows all.
    expect(looked({ range: [200, 300] }).x).toMatchObject({ min: 0, max: 100 });
  });

  test('has logarithmic axes, which begin above 0', () => {
    const { x, y, series } = looked({ logX: true, logY: true });
    expect([x.type, x.min, y.type, y.min, y.max]).toEqual(['log', 1, 'log', 1, 1000]);
    expect(series.flatMap(({ markArea }) => markArea?.data ?? [])).toEqual([[{ yAxis: 1 }, { yAxis: 3 }]]);
  });

  test('has logarithmic axes of any number of points', () => {
    const loss = Array.from({ length: 1000 }, (_, i) => [i, 1 + i] as const);
    const runs = Array.from({ length: 300 }, (_, i) => ({ name: `run ${i}`, series: { loss } }));
    const { xAxis } = trainingCurves({ panels: input.panels, runs, view: { logX: true } });
    expect(xAxis).toMatchObject([{ type: 'log', min: 1, max: 999 }]);
  });

  test('is smoothed as far as its reader likes, levels not', () => {
    const rough = ({ line }: ReturnType<typeof looked>): number =>
      line.slice(60).reduce((sum, [, value], i, all) => sum + (i === 0 ? 0 : Math.abs(value - all[i - 1]![1])), 0);
    expect(rough(looked({ smoothing: 10 }))).toBeLessThan(rough(looked({ smoothing: 0 })) / 5);
    const floor = looked({ smoothing: 50 }).series.find(({ name }) => name === 'floor')!;
    expect(floor.data).toEqual([
      [0, 2],
      [100, 2],
    ]);
  });
});
