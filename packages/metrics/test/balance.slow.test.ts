/** Measures of runs whose batches are more than a call may have arguments. */
import { expect, test } from 'vitest';
import { layersReport, maxViolations } from '../src/index.ts';

test('MaxVio and the worst layer of 130,000 batches', () => {
  const batches = Array.from({ length: 130_000 }, (_, i) => (i === 77 ? [3, 1] : [2, 2]));
  expect(maxViolations(batches).worstBatch).toBe(0.5);
  const { worst } = layersReport(batches);
  expect([worst.gini, worst.minMax]).toEqual([0.25, 1 / 3]);
});
