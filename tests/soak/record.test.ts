/** What `pnpm soak` makes of what its tests tell it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { addedUp, readRecords, recordSoak, soakOf, soakVariables } from './record.ts';

it('comes back as it was told', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lpr-soak-record-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'records');
  writeFileSync(file, '');
  const variables = soakVariables({ minutes: 0.5, seed: 7 }, file);
  expect(soakOf(variables)).toEqual({ minutes: 0.5, seed: 7 });
  const records = ['kills of train', 'inputs'].map((what, count) => ({ what, count, minutes: 0.5, lost: 0 }));
  for (const record of records) recordSoak([record], variables);
  expect(readRecords(file)).toEqual(records);
});

it('is refused outside of the program', () => {
  expect(() => soakOf({})).toThrow('run this by pnpm soak');
});

it('is added to what is there of the same, in the order that it came', () => {
  const [a, b] = ['a', 'b'].map((what) => ({ what, count: 3, minutes: 2, lost: 1 })) as [never, never];
  expect(addedUp([b], [a, b])).toEqual([
    { what: 'b', count: 6, minutes: 4, lost: 2 },
    { what: 'a', count: 3, minutes: 2, lost: 1 },
  ]);
});
