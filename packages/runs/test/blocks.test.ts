import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readBlocks, RunFolder } from '../src/index.ts';
import { useFolder } from './lines.ts';

const folder = useFolder();
const block = {
  domain: 'text',
  weight: 1,
  tokens: 8,
  loss: 40.12345678901234,
  counts: [
    [4, 3, 1],
    [0, 0, 8],
  ],
};

describe('the blocks of an evaluation', () => {
  it('come back as they were written, a line each', async () => {
    const run = await RunFolder.create(join(folder(), 'run'), {});
    const typed = { ...block, domain: 'other', counts: block.counts.map((layer) => Float64Array.from(layer)) };
    await run.writeBlocks({ step: 40, blocks: [block, typed] });
    await run.close();
    expect(await readBlocks(run.path, 40)).toEqual({ value: [block, { ...block, domain: 'other' }] });
    const text = await readFile(join(run.path, 'held-out-blocks.json'), 'utf8');
    expect(text.split('\n')).toHaveLength(5);
  });

  it('are missing with a reason where they are not there, of another step, or damaged', async () => {
    expect(await readBlocks(folder(), 40)).toEqual({ missing: 'held-out-blocks.json is missing' });
    const path = join(folder(), 'held-out-blocks.json');
    const missing = async (text: string): Promise<unknown> => {
      await writeFile(path, text);
      return await readBlocks(folder(), 40);
    };
    expect(await missing(JSON.stringify({ step: 20, blocks: [block] }))).toEqual({
      missing: 'held-out-blocks.json: it is of step 20, the evaluation of step 40',
    });
    expect(await missing('{"step":40,"blocks":[{"dom')).toEqual({
      missing: expect.stringMatching(/^held-out-blocks\.json: .*JSON/),
    });
    expect(await missing(JSON.stringify({ step: 40, blocks: [] }))).toEqual({
      missing: expect.stringMatching(/it is damaged: blocks: /),
    });
    const narrow = { ...block, counts: [[4, 4]] };
    expect(await missing(JSON.stringify({ step: 40, blocks: [block, narrow] }))).toEqual({
      missing: expect.stringMatching(/it is damaged: blocks: blocks have different layers or experts/),
    });
    expect(existsSync(path)).toBe(true);
  });
});
