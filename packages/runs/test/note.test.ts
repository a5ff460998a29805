import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkNote, NO_NOTE, readNote, writeNote } from '../src/note.ts';
import { filesIn } from '../src/run-files.ts';
import { RunFollower } from '../src/run-follower.ts';
import { useFolder } from './lines.ts';

const folder = useFolder();
const file = (): string => join(folder(), 'note.json');

describe('a note', () => {
  it('is kept as it was written, less what nobody sees', async () => {
    expect(await readNote(folder())).toEqual(NO_NOTE);
    await writeNote(folder(), { text: '  <b>two</b>\r\n\tlines 🙂 \n', tags: [' a ', 'b/c', 'a', '<i>'] });
    const kept = { text: '<b>two</b>\n\tlines 🙂', tags: ['a', 'b/c', '<i>'] };
    expect(await readNote(folder())).toEqual(kept);
    expect(await readdir(folder())).toEqual(['note.json']);
    await writeNote(folder(), { ...kept, text: ' ' });
    expect(await readNote(folder())).toEqual({ ...kept, text: '' });
    await writeNote(folder(), NO_NOTE);
    await writeNote(folder(), NO_NOTE);
    expect(await readdir(folder())).toEqual([]);
  });

  it('may be long, and have many tags', async () => {
    const note = { text: 'word '.repeat(12_000).trim(), tags: Array.from({ length: 40 }, (_, i) => `tag ${i}`) };
    await writeNote(folder(), note);
    expect(await readNote(folder())).toEqual(note);
  });

  it.each([
    ['no object', 'x', /expected object/],
    ['an unknown key', { text: '', tags: [], html: '' }, /Unrecognized key: "html"/],
    ['a number', { text: 1, tags: [] }, /^text: .*expected string/],
    ['a long text', { text: 'x'.repeat(100_001), tags: [] }, /^text: a note has at most 100,000 characters/],
    [
      'an order to a terminal',
      { text: '\u001b[2J', tags: [] },
      /^text: a note holds no control characters; it has U\+001B/,
    ],
    [
      'another direction',
      { text: '', tags: ['a\u202eb'] },
      /^tags\.0: a tag holds no control characters; it has U\+202E/,
    ],
    [
      'a line in a tag',
      { text: '', tags: ['a', 'b\nc'] },
      /^tags\.1: a tag holds no control characters; it has U\+000A/,
    ],
    ['half a character', { text: '\ud800', tags: [] }, /^text: a note is text; it holds half of a character/],
    ['a comma', { text: '', tags: ['a,b'] }, /^tags\.0: a tag has no comma/],
    ['no tag', { text: '', tags: [' '] }, /^tags\.0: a tag has at least one character/],
    ['a long tag', { text: '', tags: ['x'.repeat(65)] }, /^tags\.0: a tag has at most 64 characters/],
    [
      'too many tags',
      { text: '', tags: Array.from({ length: 65 }, (_, i) => `${i}`) },
      /^tags: a run has at most 64 tags/,
    ],
  ])('is refused with %s, and nothing is written', async (_, note, message) => {
    expect(() => checkNote(note)).toThrow(message);
    await expect(writeNote(folder(), note as never)).rejects.toThrow(RangeError);
    expect(await readdir(folder())).toEqual([]);
  });

  it('that is damaged is named', async () => {
    await writeFile(file(), '{');
    await expect(readNote(folder())).rejects.toThrow(`${file()}: `);
    await writeFile(file(), '{"text":"\\u0007","tags":[]}');
    await expect(readNote(folder())).rejects.toThrow('note.json: text: a note holds no control characters');
  });

  it('is followed while it is written, gone and damaged', async () => {
    await writeFile(join(folder(), 'config.yaml'), 'seed: 3\n');
    const follower = new RunFollower(filesIn(folder()));
    await follower.poll();
    expect(follower.note).toEqual(NO_NOTE);
    const { version } = follower;
    await writeNote(folder(), { text: 'x', tags: ['a'] });
    await follower.poll();
    expect(follower.note).toEqual({ text: 'x', tags: ['a'] });
    expect(follower.version).toBeGreaterThan(version);
    await writeFile(file(), 'no');
    await follower.poll();
    expect(follower.problems).toEqual([expect.stringMatching(/^note\.json: /)]);
    await writeNote(folder(), NO_NOTE);
    await follower.poll();
    expect(follower).toMatchObject({ note: NO_NOTE, problems: [], settings: { seed: 3 } });
    expect(await readFile(join(folder(), 'config.yaml'), 'utf8')).toBe('seed: 3\n');
  });
});
