import { expect, it } from 'vitest';
import { placementCosts, placementTable, placementTitle } from '../src/tables.ts';

it('says what uneven loads cost ranks and places, layer by layer and as mean', () => {
  const { columns, rows } = placementTable('held-out text', [
    [3, 1, 0, 0],
    [1, 1, 1, 1],
  ]);
  expect(columns.map(({ title }) => title)).toEqual([
    'cost',
    '2 ranks',
    '4 ranks',
    'dropped at 1.00',
    'dropped at 1.25',
    'dropped at 2.00',
  ]);
  // Of 4 pairs the first two experts have all: twice the share of two ranks; an expert with three is three times its
  // own.
  const costs = (ranks2: number, ranks4: number, drop1: number, drop125: number, drop2: number): object => ({
    'ranks.2': ranks2,
    'ranks.4': ranks4,
    'capacity.1': drop1,
    'capacity.1.25': drop125,
    'capacity.2': drop2,
  });
  expect(rows).toEqual([
    { name: 'layer 0', ...costs(2, 3, 0.5, 0.25, 0.25) },
    { name: 'layer 1', ...costs(1, 1, 0, 0, 0) },
    { name: 'mean', ...costs(1.5, 2, 0.25, 0.125, 0.125) },
  ]);
});

it('leaves out ranks that experts cannot be dealt out to', () => {
  expect(placementTable('held-out text', [[1, 2, 3]]).columns.filter(({ title }) => title.endsWith('ranks'))).toEqual(
    [],
  );
});

it('has more ranks where there are more experts', () => {
  const keys = (experts: number) => Object.keys(placementCosts([Array.from({ length: experts }, () => 1)]));
  expect(keys(32).filter((key) => key.startsWith('ranks.'))).toEqual(
    [2, 4, 8, 16, 32].map((ranks) => `ranks.${ranks}`),
  );
  expect(keys(1024)).toContain('ranks.64');
});

it('says the means alone, with a title for each', () => {
  const counts = [
    [3, 1, 0, 0],
    [1, 1, 1, 1],
  ];
  const { name, ...mean } = placementTable('held-out text', counts).rows.at(-1)!;
  expect(name).toBe('mean');
  expect(placementCosts(counts)).toEqual(mean);
  expect(Object.keys(mean).map(placementTitle)).toEqual([
    ...['2 ranks', '4 ranks', 'dropped at 1.00', 'dropped at 1.25', 'dropped at 2.00'],
  ]);
  expect(placementTitle('ranks.3')).toBe(null);
  expect(placementCosts([])).toEqual({});
});
