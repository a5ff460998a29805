/** What curves and heatmap show of the steps. */
import { describe, expect, it } from 'vitest';
import { Progress, WINDOW } from '../src/progress.ts';

const step = (number: number, counts: readonly (readonly number[])[], loss = 5) => ({
  step: number,
  loss,
  counts: counts.map((layer) => Int32Array.from(layer)),
});

describe('progress', () => {
  it('adds loads up over a window of steps', () => {
    const progress = new Progress();
    expect(progress.loads).toBeNull();
    progress.add(
      step(1, [
        [8, 0, 0, 0],
        [2, 2, 2, 2],
      ]),
    );
    expect(progress.loads).toEqual({
      relative: [
        [4, 0, 0, 0],
        [1, 1, 1, 1],
      ],
      gini: 0.375,
      minMax: 0.5,
      most: 4,
      idle: 3,
    });
    for (let i = 0; i < WINDOW; i++)
      progress.add(
        step(i + 2, [
          [2, 2, 2, 2],
          [2, 2, 2, 2],
        ]),
      );
    expect(progress.loads).toEqual({
      relative: [
        [1, 1, 1, 1],
        [1, 1, 1, 1],
      ],
      gini: 0,
      minMax: 1,
      most: 1,
      idle: 0,
    });
    expect(progress.ginis).toHaveLength(WINDOW + 1);
    expect(progress.ginis[0]).toBe(0.375);
  });

  it('smooths losses from the first on', () => {
    const progress = new Progress();
    for (let i = 0; i < 5; i++) progress.add(step(i + 1, [[1, 1]], 3));
    for (const value of progress.smoothed) expect(value).toBeCloseTo(3, 12);
    progress.add(step(6, [[1, 1]], 2));
    expect(progress.smoothed.at(-1)).toBeGreaterThan(2.5);
    expect(progress.losses).toEqual([3, 3, 3, 3, 3, 2]);
  });
});
