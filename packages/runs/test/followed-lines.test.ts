/** Files of lines that another process appends to. */
import { appendFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { FollowedLines } from '../src/followed-lines.ts';
import { filesIn } from '../src/run-files.ts';
import { useFolder } from './lines.ts';

const folder = useFolder();
const path = (): string => join(folder(), 'lines.jsonl');

function follow(): { file: FollowedLines<unknown>; lines: unknown[] } {
  const lines: unknown[] = [];
  const reader = { line: (value: unknown) => lines.push(value), reset: () => (lines.length = 0) };
  return { file: new FollowedLines(filesIn(folder()), 'lines.jsonl', z.unknown(), reader), lines };
}

describe('JSON lines that another process appends', () => {
  it('are each read once, whatever pieces they are written in', async () => {
    const value = fc.oneof(
      fc.integer(),
      fc.string(),
      fc.record({ step: fc.nat(), name: fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', 'é', '😀') }) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(value, { maxLength: 20 }),
        fc.array(fc.nat(), { maxLength: 8 }),
        async (values, cuts) => {
          await writeFile(path(), '');
          const { file, lines } = follow();
          const bytes = Buffer.from(values.map((each) => `${JSON.stringify(each)}\n`).join(''));
          const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].toSorted(
            (a, b) => a - b,
          );
          for (const [i, place] of places.entries()) {
            await appendFile(path(), bytes.subarray(place, places[i + 1] ?? bytes.length));
            await file.poll();
          }
          expect(lines).toEqual(JSON.parse(JSON.stringify(values)));
          expect(file.offset).toBe(bytes.length);
          expect(file.problems).toEqual([]);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('are read on from where reading ended', async () => {
    const { file, lines } = follow();
    expect(await file.poll()).toBe(false);
    await writeFile(path(), '{"step":1}\n{"step":2}\n{"st');
    expect(await file.poll()).toBe(true);
    expect(await file.poll()).toBe(false);
    expect(file.offset).toBe(22);
    // What was read is not looked at again: a change there that leaves the end alone goes unseen.
    const long = '{"step":3}\n'.repeat(100);
    await writeFile(path(), `{"step":1}\n{"step":2}\n${long}`);
    await file.poll();
    await writeFile(path(), `{"step":9}\n{"step":2}\n${long}{"step":4}\n`);
    await file.poll();
    expect(lines).toHaveLength(103);
    expect(lines[0]).toEqual({ step: 1 });
    expect(lines.at(-1)).toEqual({ step: 4 });
  });

  it('start anew where the file was cut back, also when it has grown past that since', async () => {
    const { file, lines } = follow();
    await writeFile(path(), '{"step":1}\n{"step":2}\n{"step":3}\n');
    await file.poll();
    await truncate(path(), 11);
    await file.poll();
    expect(lines).toEqual([{ step: 1 }]);
    await writeFile(path(), '{"step":1}\n{"step":5}\n{"step":6}\n{"step":7}\n');
    await file.poll();
    expect(lines).toEqual([1, 5, 6, 7].map((step) => ({ step })));
  });

  it('that are none are told of and passed over', async () => {
    const { file, lines } = follow();
    await writeFile(path(), '{"step":1}\nnonsense <script>\n\n{"step":2}\n');
    await file.poll();
    expect(lines).toEqual([{ step: 1 }, { step: 2 }]);
    expect(file.problems).toEqual(['line 2 is no JSON and was left out: nonsense <script>']);
    await appendFile(path(), 'bad\n'.repeat(5));
    await file.poll();
    expect(file.problems).toHaveLength(4);
    expect(file.problems.at(-1)).toBe('3 more lines were left out');
  });

  it('without an end are refused before they fill the memory', async () => {
    const { file } = follow();
    await writeFile(path(), Buffer.alloc(6e6, 'x'));
    await expect(file.poll()).rejects.toThrow('line 1 is longer than 4194304 bytes');
  });
});
