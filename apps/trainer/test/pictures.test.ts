import { describe, expect, it } from 'vitest';
import { scalingPicture } from '../scripts/pictures.ts';

const columns = [{ key: 'scaling', title: 'scaling' }];
const row = (scaling: string, ranks: number, reduction: string, ratio: number, gradients = 0, rows = 0) => ({
  ...{ scaling, ranks, reduction, ratio, gradients, rows },
});

describe('the picture of scaling', () => {
  it('has a line for each way of adding gradients up, from one rank on', () => {
    const rows = [
      row('strong', 1, 'none', 1),
      row('strong', 2, 'ordered', 1.5, 4),
      row('strong', 2, 'own', 1.25, 1, 2),
      row('weak', 1, 'none', 1),
      row('weak', 2, 'ordered', 1.75, 3),
    ];
    const { runs, across, firstStep } = scalingPicture({ title: '', columns, rows, notes: [] });
    expect([across, firstStep]).toEqual([{ name: 'Ranks' }, 1]);
    const point = (...points: [number, number][]): [number, number][] => points;
    expect(runs).toEqual([
      {
        name: 'ordered',
        series: { strong: point([1, 1], [2, 1.5]), weak: point([1, 1], [2, 1.75]), bytes: point([1, 0], [2, 4]) },
      },
      { name: 'own', series: { strong: point([1, 1], [2, 1.25]), weak: point([1, 1]), bytes: point([1, 0], [2, 3]) } },
    ]);
  });

  it('needs several ranks', () => {
    const rows = [row('strong', 1, 'none', 1)];
    expect(() => scalingPicture({ title: '', columns, rows, notes: [] })).toThrow('has no rows of several ranks');
  });
});
