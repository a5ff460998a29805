import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { UsageError } from '../src/cli/errors.ts';
import { newRouter } from '../src/commands/new-router.ts';

const work = mkdtempSync(join(tmpdir(), 'lpr-new-router-'));
afterAll(() => rmSync(work, { recursive: true }));

describe('new-router', () => {
  it('writes a router and its test into a folder that it makes, and over nothing', async () => {
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    const out = join(work, 'deep', 'routers');
    await newRouter('my-r', out);
    expect(readdirSync(out).toSorted()).toEqual(['my-r.test.ts', 'my-r.ts']);
    writeFileSync(join(out, 'my-r.ts'), 'mine');
    await expect(newRouter('my-r', out)).rejects.toThrow(/cannot write .*my-r\.ts/);
    expect(readFileSync(join(out, 'my-r.ts'), 'utf8')).toBe('mine');
    log.mockRestore();
  });

  it('says that --out is no folder that can be made', async () => {
    writeFileSync(join(work, 'file'), 'mine');
    const places = [join(work, 'file'), join(work, 'file', 'x'), ...(existsSync('/proc/self') ? ['/proc/x/y'] : [])];
    for (const out of places) {
      const fault: unknown = await newRouter('my-r', out).catch((error: unknown) => error);
      expect(fault).toBeInstanceOf(UsageError);
      expect(String(fault)).toContain(`new-router my-r: --out ${out}: cannot make that folder (`);
    }
    expect(readFileSync(join(work, 'file'), 'utf8')).toBe('mine');
  });
});
