/** Notes and tags: what the server takes, and the page that writes them. */
import { mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { readNote, writeNote } from '@lpr/runs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunDetails } from '../src/api.ts';
import { type Dashboard, serveDashboard } from '../src/server/server.ts';
import { noBrowser } from './browser.ts';
import { temporaryFolder, writeRun } from './folders.ts';
import { servedPages } from './served-pages.ts';

const NOTE = { text: 'It <b>diverged</b>.\nTwice.', tags: ['odd', '"><img src=x onerror=alert(1)>'] };

describe('the server', () => {
  let path: string;
  let dashboard: Dashboard;
  let remove: () => Promise<void>;
  beforeAll(async () => {
    ({ path, remove } = await temporaryFolder());
    await writeRun(join(path, 'runs', 'good'));
    await writeRun(join(path, 'outside'));
    if (process.platform !== 'win32') await symlink(join(path, 'outside'), join(path, 'runs', 'linked'));
    dashboard = await serveDashboard(join(path, 'runs'), { host: '127.0.0.1', port: 0 });
  });
  afterAll(async () => {
    await dashboard.close();
    await remove();
  });

  const post = async (body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    await fetch(new URL('/api/note', dashboard.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });

  it('writes a note, and says it of the run', async () => {
    const answer = await post({ run: 'good', note: { ...NOTE, text: ` ${NOTE.text}\r\n` } });
    expect(await answer.json()).toEqual(NOTE);
    expect(await readNote(join(path, 'runs', 'good'))).toEqual(NOTE);
    const details = (await (await fetch(new URL('/api/run?run=good', dashboard.url))).json()) as RunDetails;
    expect(details).toMatchObject({ note: NOTE, summary: { tags: NOTE.tags, noteStart: NOTE.text } });
  });

  it('takes a long note and many tags, whole', async () => {
    const note = { text: '"\t\n'.repeat(20_000).trim(), tags: Array.from({ length: 40 }, (_, i) => `tag ${i}`) };
    expect((await post({ run: 'good', note })).status).toBe(200);
    expect(await readNote(join(path, 'runs', 'good'))).toEqual(note);
    expect((await readdir(join(path, 'runs', 'good'))).filter((name) => name.includes('tmp'))).toEqual([]);
  });

  it('takes none from elsewhere, none that is none, and writes nothing outside', async () => {
    const before = await readFile(join(path, 'runs', 'good', 'note.json'), 'utf8');
    const body = { run: 'good', note: NOTE };
    for (const [status, sent, headers] of [
      [403, body, { origin: 'http://evil.example' }],
      [415, body, { 'content-type': 'text/plain' }],
      [413, { run: 'good', note: { ...NOTE, text: 'x'.repeat(2 ** 20) } }, {}],
      [400, { run: 'good', note: { ...NOTE, text: 'x'.repeat(100_001) } }, {}],
      [400, { run: 'good', note: { ...NOTE, tags: ['\u0000'] } }, {}],
      [400, { run: 'good' }, {}],
      [400, { note: NOTE }, {}],
      [400, 'null', {}],
      [404, { run: 'linked', note: NOTE }, {}],
      [404, { run: '../outside', note: NOTE }, {}],
      [404, { run: '.', note: NOTE }, {}],
    ] as const) {
      expect((await post(sent, headers)).status, JSON.stringify(sent).slice(0, 80)).toBe(status);
    }
    expect((await fetch(new URL('/api/note', dashboard.url))).status).toBe(405);
    expect(await readFile(join(path, 'runs', 'good', 'note.json'), 'utf8')).toBe(before);
    expect(await readdir(join(path, 'outside'))).not.toContain('note.json');
  });
});

describe.skipIf(noBrowser !== null)('the page', () => {
  const pages = servedPages(async (root) => {
    await mkdir(root, { recursive: true });
    for (const name of ['one', 'two', 'three']) await writeRun(join(root, name));
    await writeNote(join(root, 'two'), { text: '', tags: ['odd'] });
  });

  it('writes a note with the keyboard alone, shows it as text, and finds runs by their tags', async () => {
    const page = await pages.open('/run?run=one');
    await page.getByRole('button', { name: 'Write' }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.type('lost');
    await page.keyboard.press('Escape');
    await page.getByText('Nothing is written of this run yet.').waitFor();
    await page.keyboard.press('Enter');
    await page.keyboard.type(NOTE.text);
    await page.keyboard.press('Tab');
    await page.keyboard.type(NOTE.tags.join(' ,'));
    await page.keyboard.press('Enter');
    const text = page.getByRole('region', { name: 'Note', exact: true });
    await text.waitFor();
    expect(await text.innerText()).toBe(NOTE.text);
    expect(await readNote(join(pages.served.root, 'one'))).toEqual(NOTE);
    await page.getByRole('button', { name: 'Runs with the tag odd' }).click();
    await expect.poll(() => page.locator('.card').count()).toBe(2);
    expect(await page.getByLabel('Filter').inputValue()).toBe('tag = odd');
    await page.getByRole('button', { name: 'Table' }).click();
    await page.getByRole('button', { name: 'tags', exact: true }).click();
    expect(await page.locator('tbody tr').allInnerTexts()).toEqual([
      expect.stringMatching(/^\s*two/),
      expect.stringContaining('<img src=x'),
    ]);
  });

  it('says what is wrong, and keeps what was typed', async () => {
    const page = await pages.open('/run?run=three');
    await page.getByRole('button', { name: 'Write' }).click();
    await page.getByRole('textbox', { name: 'Tags' }).fill('x'.repeat(65));
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByText('a tag has at most 64 characters').waitFor();
    pages.forgive('400 (Bad Request)');
    await page.getByRole('textbox', { name: 'Tags' }).fill('x');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByRole('button', { name: 'Runs with the tag x' }).waitFor();
    expect(await readNote(join(pages.served.root, 'three'))).toEqual({ text: '', tags: ['x'] });
  });
});
