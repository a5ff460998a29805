/** Inputs that a reader once stumbled over (tests/readers/corpus), and a few more near those that it expects. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { randomOf } from './random.ts';
import { faultOf, READERS } from './readers/readers.ts';

const corpus = join(import.meta.dirname, 'readers/corpus');

describe.each(READERS.map((reader) => [reader.name, reader] as const))('%s', (name, reader) => {
  it.each(readdirSync(corpus).filter((file) => file.replace(/-\d+\.input$/, '') === name))('takes %s', async (file) => {
    expect(await faultOf(reader, readFileSync(join(corpus, file)))).toBe(null);
  });

  it('takes what is near', async () => {
    const random = randomOf(1);
    for (let i = 0; i < (name === 'parquet' ? 3 : 20); i++) {
      const input = reader.make(random);
      expect(await faultOf(reader, input), Buffer.from(input).toString('latin1').slice(0, 200)).toBe(null);
    }
  });
});
