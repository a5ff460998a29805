/** Readers of what may come from strangers, on inputs near what they expect, for as long as asked (`pnpm soak`). */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { randomOf } from './random.ts';
import { faultOf, READERS } from './readers/readers.ts';
import { recordSoak, soakOf } from './soak/record.ts';

const { minutes, seed } = soakOf();

it.each(READERS.map((reader) => [reader.name, reader] as const))('%s', async (name, reader) => {
  const random = randomOf(seed);
  const end = Date.now() + (60_000 * minutes) / READERS.length;
  // Where an input never ends, this is it.
  const current = join(tmpdir(), `lpr-readers-${name}.input`);
  const faults = new Map<string, string>();
  let inputs = 0;
  for (; Date.now() < end; inputs++) {
    const input = reader.make(random);
    writeFileSync(current, input);
    const fault = await faultOf(reader, input);
    if (fault === null) continue;
    const kind = fault.split('\n').slice(0, 2).join(' ').replaceAll(/\d+/g, 'N');
    if (!faults.has(kind)) {
      const path = join(tmpdir(), `lpr-readers-${name}-${faults.size}.input`);
      writeFileSync(path, input);
      faults.set(kind, `${path}: ${fault}`);
    }
  }
  console.log(`${name}: ${inputs} inputs, ${faults.size} kinds of faults`);
  recordSoak([{ what: 'inputs to readers', count: inputs, minutes: minutes / READERS.length, lost: faults.size }]);
  expect([...faults.values()], `seed ${seed}`).toEqual([]);
  expect(inputs).toBeGreaterThan(0);
});
