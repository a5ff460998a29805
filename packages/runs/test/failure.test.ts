import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { clearFailure, readFailure, writeFailure } from '../src/failure.ts';
import { useFolder } from './lines.ts';

const folder = useFolder();

it('why a run failed is kept until it is tried again', async () => {
  expect(await readFailure(folder())).toBeNull();
  await writeFailure(folder(), 'the disk is full');
  expect(await readFailure(folder())).toMatchObject({ reason: 'the disk is full', at: expect.stringMatching(/^20/) });
  await clearFailure(folder());
  await clearFailure(folder());
  expect(await readFailure(folder())).toBeNull();
  await writeFile(join(folder(), 'failure.json'), '{"reason": 4');
  expect(await readFailure(folder())).toBeNull();
});
