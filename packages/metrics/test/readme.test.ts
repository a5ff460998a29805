import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

test('the snippet of the README prints what it says', async () => {
  const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
  const snippet = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
  const printed: number[][] = [];
  const { isotropicNull, layersReport, samplingFloor } = await import('../src/index.ts');
  const body = snippet.replace(/^import .*$/m, '').replaceAll('console.log', 'print');
  // oxlint-disable-next-line typescript/no-implied-eval -- the snippet is the text under test
  new Function('isotropicNull', 'layersReport', 'samplingFloor', 'print', body)(
    isotropicNull,
    layersReport,
    samplingFloor,
    (...values: number[]) => printed.push(values),
  );
  expect(printed[0]!.map((value) => Number(value.toFixed(3)))).toEqual([0.313, 0.61, 0, 1]);
  expect(printed[1]!.every((value) => value > 0 && value < 0.5)).toBe(true);
});
