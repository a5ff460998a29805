import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { makeEmptyFolder, writeFolder } from '../src/folders.ts';
import { useFolder } from './lines.ts';

const folder = useFolder();

it.runIf(existsSync('/proc/self'))('making a folder comes to an end where nothing can be made', async () => {
  await expect(makeEmptyFolder('/proc/self/none/a/b')).rejects.toThrow(/cannot make the folder .*choose another/);
  await expect(writeFolder('/proc/none/exported', async () => {})).rejects.toThrow(/cannot make the folder/);
});

describe('writeFolder', () => {
  const write = async (path: string): Promise<void> => {
    await mkdir(join(path, 'deep'));
    await writeFile(join(path, 'deep', 'weights'), 'w');
    await writeFile(join(path, 'config.json'), '{}');
  };

  it('gives all of a folder, beside nothing else, or in an empty one', async () => {
    await mkdir(join(folder(), 'empty'));
    for (const name of ['new', 'empty', join('above', 'new')]) {
      const path = join(folder(), name);
      await writeFolder(path, async (temporary) => {
        await write(temporary);
        // Beside it, so that one rename gives all at once.
        expect(existsSync(path) ? await readdir(path) : []).toEqual([]);
      });
      expect((await readdir(path)).toSorted()).toEqual(['config.json', 'deep']);
      expect(await readFile(join(path, 'deep', 'weights'), 'utf8')).toBe('w');
    }
    expect((await readdir(folder())).toSorted()).toEqual(['above', 'empty', 'new']);
  });

  it('leaves nothing where writing fails, and no more than a temporary folder where the process is killed', async () => {
    const path = join(folder(), 'out');
    const fail = async (temporary: string): Promise<void> => {
      await write(temporary);
      throw new Error('the disk is full');
    };
    await expect(writeFolder(path, fail)).rejects.toThrow('the disk is full');
    expect(await readdir(folder())).toEqual([]);
    // What a killed one leaves: half of the files, and its lock.
    for (const left of [join(folder(), '.out.tmp'), join(path, '.new.tmp')]) {
      await mkdir(join(left, 'content'), { recursive: true });
      await writeFile(join(left, 'content', 'config.json'), 'half');
      await writeFile(join(left, 'content', 'old'), '');
      await writeFile(join(left, 'lock'), '{"pid":999999999,"host":"');
    }
    await writeFolder(path, write);
    expect((await readdir(path)).toSorted()).toEqual(['config.json', 'deep']);
    expect(await readFile(join(path, 'config.json'), 'utf8')).toBe('{}');
  });

  it('changes nothing in a folder that is called as its temporary one would be, and names it', async () => {
    const path = join(folder(), 'data');
    await mkdir(path);
    const cwd = vi.spyOn(process, 'cwd');
    for (const [theirs, here] of [
      [join(folder(), '.data.tmp'), folder()],
      [join(path, '.new.tmp'), path],
    ] as const) {
      cwd.mockReturnValue(here);
      await mkdir(join(theirs, 'deep'), { recursive: true });
      await writeFile(join(theirs, 'deep', 'precious'), 'mine');
      await expect(writeFolder(path, write)).rejects.toThrow(
        `cannot write ${path}: it is made in ${theirs}, where there is "deep", which is none of its files; move that`,
      );
      expect(await readdir(theirs)).toEqual(['deep']);
      expect(await readFile(join(theirs, 'deep', 'precious'), 'utf8')).toBe('mine');
    }
    cwd.mockRestore();
  });

  it('refuses a link to nothing before the work', async () => {
    const path = join(folder(), 'link');
    await symlink(join(folder(), 'none'), path);
    const begun = vi.fn<typeof write>(write);
    await expect(writeFolder(path, begun)).rejects.toThrow(/link is there and is no folder, nor a link to one/);
    expect(begun).not.toHaveBeenCalled();
    expect(await readdir(folder())).toEqual(['link']);
  });

  it('never has a lock in the folder that it gives, whenever it is killed', async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const path = join(folder(), `out${i}`);
      const written = writeFolder(path, write).then(() => 'written');
      while ((await Promise.race([written, setImmediate('under way')])) === 'under way') {
        if (existsSync(path)) for (const name of readdirSync(path)) seen.add(name);
      }
    }
    expect([...seen].toSorted()).toEqual(['config.json', 'deep']);
  });

  it('leaves a folder that cannot be replaced where it is', async () => {
    const path = join(folder(), 'here');
    await mkdir(path);
    const { ino } = await stat(path);
    const cwd = vi.spyOn(process, 'cwd').mockReturnValue(path);
    try {
      await writeFolder('.', write);
    } finally {
      cwd.mockRestore();
    }
    expect((await stat(path)).ino).toBe(ino);
    expect((await readdir(path)).toSorted()).toEqual(['config.json', 'deep']);
    expect(await readdir(folder())).toEqual(['here']);
  });

  it('says that another process has written the folder meanwhile, and leaves what that wrote', async () => {
    for (const before of [[], ['config.json.tmp'], null]) {
      const path = join(folder(), 'out');
      if (before !== null) await mkdir(path);
      for (const name of before ?? []) await writeFile(join(path, name), '');
      const late = writeFolder(path, async (temporary) => {
        await write(temporary);
        await mkdir(path, { recursive: true });
        await writeFile(join(path, 'config.json'), 'theirs');
      });
      await expect(late).rejects.toThrow(/another process has written .*out meanwhile/);
      expect(await readFile(join(path, 'config.json'), 'utf8')).toBe('theirs');
      expect(await readdir(folder())).toEqual(['out']);
      await rm(path, { recursive: true });
    }
  });

  it('changes nothing that is there, and is left alone by another that writes the same', async () => {
    const path = join(folder(), 'out');
    await writeFolder(path, async (temporary) => {
      await expect(writeFolder(path, write)).rejects.toThrow(/in use by process/);
      await write(temporary);
    });
    await expect(writeFolder(path, write)).rejects.toThrow(/not empty; nothing in it was changed/);
    await writeFile(join(folder(), 'file'), 'mine');
    await expect(writeFolder(join(folder(), 'file'), write)).rejects.toThrow(/is no folder/);
    expect(await readFile(join(folder(), 'file'), 'utf8')).toBe('mine');
  });
});
