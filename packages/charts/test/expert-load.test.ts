import type { LineSeriesOption } from 'echarts';
import { describe, expect, it } from 'vitest';
import { expertLoad, expertLoadSize } from '../src/index.ts';

const windows = [
  { step: 10, counts: [10, 20, 30, 0] },
  { step: 20, counts: [5, 5, 5, 5] },
  { step: 30, counts: [0, 0, 0, 0] },
];

describe('the load of an expert', () => {
  it('is over the uniform share of each window, between the busiest and the idlest expert', () => {
    const { series } = expertLoad({ layer: 1, expert: 1, windows, width: 600 }) as { series: LineSeriesOption[] };
    const points = new Map(series.map(({ name, data }) => [name, data]));
    expect(points.get('expert 1')).toEqual([
      [10, 20 / 15],
      [20, 1],
      [30, 0],
    ]);
    expect(points.get('busiest expert')).toEqual([
      [10, 2],
      [20, 1],
      [30, 0],
    ]);
    expect(points.get('idlest expert')).toEqual([
      [10, 0],
      [20, 1],
      [30, 0],
    ]);
    expect(expertLoadSize({ layer: 1, expert: 1, windows, width: 600 }).width).toBe(600);
  });

  it('says what is missing', () => {
    expect(() => expertLoad({ layer: 0, expert: 0, windows: [] })).toThrow('at least one window');
    expect(() => expertLoad({ layer: 0, expert: 4, windows })).toThrow('expert is 4; the layer has experts 0 to 3');
    expect(() => expertLoad({ layer: 0, expert: 0, windows: [{ step: 1, counts: [-1] }] })).toThrow(/counts of step 1/);
  });
});
