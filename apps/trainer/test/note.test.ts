import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createProgram } from '../src/cli/program.ts';

let run: string;
let printed: string[];
beforeEach(async () => {
  run = await mkdtemp(join(tmpdir(), 'note-'));
  await writeFile(join(run, 'config.yaml'), 'seed: 0\n');
  printed = [];
  for (const stream of ['log', 'error'] as const)
    vi.spyOn(console, stream).mockImplementation((text: string) => void printed.push(text));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(run, { recursive: true });
});

const note = async (...words: string[]): Promise<string> => {
  printed = [];
  await createProgram().parseAsync(['node', 'trainer', 'note', ...words]);
  return printed.join('\n');
};

describe('trainer note', () => {
  it('writes, adds, takes away and prints', async () => {
    expect(await note(run)).toBe(`${run} has no note and no tags`);
    expect(await note(run, 'loss spike', '--tag', 'odd,old', '--tag', 'odd')).toBe('tags: odd, old\nloss spike');
    expect(await note(run, '--untag', 'odd', '--tag', 'paper')).toBe('tags: old, paper\nloss spike');
    expect(JSON.parse(await note(run, '--json'))).toEqual({ text: 'loss spike', tags: ['old', 'paper'] });
    expect(JSON.parse(await readFile(join(run, 'note.json'), 'utf8'))).toEqual({
      text: 'loss spike',
      tags: ['old', 'paper'],
    });
    expect(await note(run, '')).toBe('tags: old, paper');
    expect(await note(run, '--untag', 'old', '--untag', 'paper')).toBe(`${run} has no note and no tags`);
    await expect(readFile(join(run, 'note.json'))).rejects.toThrow('ENOENT');
  });

  it('says what is wrong', async () => {
    await expect(note(join(run, 'none'), 'x')).rejects.toThrow('is no run folder');
    await expect(note(run, 'x', '--untag', 'odd')).rejects.toThrow('the run has no such tag; it has none');
    await expect(note(run, '\u001b[31mred')).rejects.toThrow('text: a note holds no control characters');
    await expect(note(run, '--tag', ' , ')).rejects.toThrow('a tag has at least one character');
    await expect(readFile(join(run, 'note.json'))).rejects.toThrow('ENOENT');
  });
});
