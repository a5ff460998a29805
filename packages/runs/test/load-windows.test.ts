import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeLoads, expertsPerToken } from '@lpr/metrics';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadsInfo, readWindows } from '../src/load-windows.ts';
import { filesIn } from '../src/run-files.ts';
import { loadsFile, SHAPE, useFolder, windowOf } from './lines.ts';

const folder = useFolder();

describe('windows of loads', () => {
  it('are those of the whole file', async () => {
    const file = loadsFile(23);
    await writeFile(join(folder(), 'loads.bin'), file);
    expect(await loadsInfo(filesIn(folder()))).toEqual({
      ...SHAPE,
      windows: 23,
      windowTokens: 2560,
      expertsPerToken: expertsPerToken(windowOf(0).counts, 2560),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.nat(22),
        fc.nat(22),
        fc.integer({ min: 1, max: 30 }),
        fc.option(fc.nat(1)),
        async (a, b, points, layer) => {
          const [from, to] = [Math.min(a, b), Math.max(a, b)];
          const bytes = await readWindows(filesIn(folder()), { from, to, points, ...(layer !== null && { layer }) });
          const { shape, windows } = decodeLoads(bytes);
          expect(shape.layers).toBe(layer === null ? 2 : 1);
          expect(windows.length).toBeLessThanOrEqual(points);
          expect(windows.at(-1)!.step).toBe(windowOf(to).step);
          for (const window of windows) {
            const whole = decodeLoads(file).windows.find(({ step }) => step === window.step)!;
            expect(window.counts).toEqual(layer === null ? whole.counts : [whole.counts[layer]]);
          }
          if (points >= to - from + 1) expect(windows).toHaveLength(to - from + 1);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('that are not there, or half written, are not made up', async () => {
    await writeFile(join(folder(), 'loads.bin'), loadsFile(3).subarray(0, -5));
    expect(await loadsInfo(filesIn(folder()))).toMatchObject({ windows: 2 });
    const range = { from: 0, to: 2, points: 10 };
    await expect(readWindows(filesIn(folder()), range)).rejects.toThrow('windows 0 to 2 are not there; the run has 2');
    await expect(readWindows(filesIn(folder()), { ...range, to: 1, layer: 2 })).rejects.toThrow('layer 2 is not there');
    await writeFile(join(folder(), 'loads.bin'), loadsFile(0).subarray(0, 10));
    expect(await loadsInfo(filesIn(folder()))).toBeNull();
  });
});
