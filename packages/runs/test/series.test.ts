import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordedSeries } from '../src/series.ts';

describe('a recorded series', () => {
  it('gives at most so many points, whose mean is that of the values', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 1, max: 50 }),
        (values, points) => {
          const series = new RecordedSeries();
          for (const [i, value] of values.entries()) series.push(i + 1, value);
          const { steps, values: means } = series.points(points);
          expect(steps.length).toBe(means.length);
          expect(steps.length).toBeLessThanOrEqual(points);
          const perPoint = Math.ceil(values.length / points);
          const sum = means.reduce(
            (total, mean, i) => total + mean * Math.min(perPoint, values.length - i * perPoint),
            0,
          );
          const expected = values.reduce((total, value) => total + value, 0);
          expect(Math.abs(sum - expected)).toBeLessThanOrEqual(
            1e-9 * values.reduce((total, value) => total + Math.abs(value), 1),
          );
        },
      ),
    );
  });

  it('gives every value where there is room, and only those between two steps', () => {
    const series = new RecordedSeries();
    for (let step = 10; step <= 100; step += 10) series.push(step, step / 10);
    expect(series.points(10)).toEqual({
      steps: [10, 20, 30, 40, 50, 60, 70, 80, 90, 100],
      values: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    });
    expect(series.points(10, 80)).toEqual({ steps: [80, 90, 100], values: [8, 9, 10] });
    expect(series.points(1, 85)).toEqual({ steps: [95], values: [9.5] });
    expect(series.count(101)).toBe(0);
  });

  it('forgets what a resumed run does again', () => {
    const series = new RecordedSeries();
    for (const [step, value] of [
      [1, 1],
      [2, 2],
      [3, 3],
      [2, 20],
      [3, 30],
    ] as const)
      series.push(step, value);
    expect(series.points(10)).toEqual({ steps: [1, 2, 3], values: [1, 20, 30] });
  });
});
