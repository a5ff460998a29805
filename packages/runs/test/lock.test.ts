import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FolderInUseError, isLocked, lockFolder } from '../src/lock.ts';
import { filesIn } from '../src/run-files.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lpr-lock-'));
});
afterEach(async () => await rm(folder, { recursive: true }));

describe('the lock of a run folder', () => {
  it('keeps a second process out until it is given back', async () => {
    const unlock = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toThrow(`in use by process ${process.pid} on ${hostname()}`);
    await unlock();
    expect(existsSync(join(folder, 'lock'))).toBe(false);
    await (await lockFolder(folder))();
  });

  it('is taken over from a process that is gone, or that never wrote it whole', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    await writeFile(join(folder, 'lock'), JSON.stringify({ pid, host: hostname() }));
    await (await lockFolder(folder))();
    expect(existsSync(join(folder, 'lock'))).toBe(false);
    await writeFile(join(folder, 'lock'), '{"pid":');
    await (await lockFolder(folder))();
    expect(existsSync(join(folder, 'lock'))).toBe(false);
  });

  it('leaves nothing of a process that was killed when it had just removed the lock of another', async () => {
    await writeFile(join(folder, 'lock.takeover'), '');
    await (await lockFolder(folder))();
    expect(await readdir(folder)).toEqual([]);
  });

  it('of a job of Slurm is that job on another host too, and keeps all others out', async () => {
    const elsewhere = async (job?: string): Promise<void> =>
      await writeFile(
        join(folder, 'lock'),
        JSON.stringify({ pid: process.pid, host: 'elsewhere', ...(job && { job }) }),
      );
    try {
      vi.stubEnv('SLURM_JOB_ID', '12');
      const unlock = await lockFolder(folder);
      expect(JSON.parse(await readFile(join(folder, 'lock'), 'utf8'))).toMatchObject({ pid: process.pid, job: '12' });
      await unlock();
      for (const job of ['13', undefined]) {
        await elsewhere(job);
        await expect(lockFolder(folder)).rejects.toThrow(FolderInUseError);
      }
      await elsewhere('12');
      await (await lockFolder(folder))();
    } finally {
      vi.unstubAllEnvs();
    }
    await elsewhere('12');
    await expect(lockFolder(folder)).rejects.toThrow('on elsewhere');
  });

  it('is taken over by one of many that want it at the same moment', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    for (let round = 0; round < 20; round++) {
      await writeFile(join(folder, 'lock'), JSON.stringify({ pid, host: hostname() }));
      const all = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder)));
      const locks = all.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
      expect(locks).toHaveLength(1);
      await locks[0]!();
      expect(await readdir(folder)).toEqual([]);
    }
  });

  it('is left to a process that has made it and is about to write who it is', async () => {
    await writeFile(join(folder, 'lock'), '');
    const other = lockFolder(folder);
    await setTimeout(100);
    await writeFile(join(folder, 'lock'), JSON.stringify({ pid: process.pid, host: hostname() }));
    await expect(other).rejects.toThrow('in use by process');
  });

  it('is left to a process that writes who it is while another looks whether to take over', async () => {
    const takeOver = async (turns: number): Promise<void> => {
      const own = join(folder, String(turns));
      await mkdir(own);
      await writeFile(join(own, 'lock'), '');
      const other = lockFolder(own).then(
        () => 'taken over',
        (error: Error) => error.message,
      );
      while (!existsSync(join(own, 'lock.takeover'))) await setImmediate();
      for (let turn = 0; turn < turns; turn++) await setImmediate();
      writeFileSync(join(own, 'lock'), JSON.stringify({ pid: process.pid, host: hostname() }));
      expect(await other).toContain('in use by process');
    };
    // Few at a time, so that none waits for the others longer than a lock may stay unwritten.
    for (let first = 0; first < 64; first += 8)
      await Promise.all(Array.from({ length: 8 }, (_, i) => takeOver(first + i)));
  });

  it('that names no process is stale', async () => {
    const host = hostname();
    for (const content of [
      'null',
      '[]',
      '"lock"',
      ...[0, -1, 1.5, '7', null].map((pid) => JSON.stringify({ pid, host })),
    ]) {
      await writeFile(join(folder, 'lock'), content);
      expect(await isLocked(filesIn(folder)), content).toBe(false);
      // Old enough not to be that of a process which is about to write it.
      await utimes(join(folder, 'lock'), 0, 0);
      await (await lockFolder(folder))();
      expect(existsSync(join(folder, 'lock')), content).toBe(false);
    }
  });

  it.runIf(existsSync('/proc/self/stat'))('is stale where another process has got its number', async () => {
    const unlock = await lockFolder(folder);
    const own = JSON.parse(await readFile(join(folder, 'lock'), 'utf8')) as { started: string };
    await unlock();
    const lockOf = async (pid: number, started: string | null): Promise<void> =>
      await writeFile(join(folder, 'lock'), JSON.stringify({ pid, host: hostname(), started }));
    // This process as the first of a container that was killed; one that is not ours; one before the machine's start.
    const [boot] = own.started.split(' ');
    for (const [pid, started] of [
      [process.pid, `${boot} 1`],
      [1, `${boot} 999999999999`],
      [process.pid, own.started.replace(/^\S+/, '00000000-0000-0000-0000-000000000000')],
    ] as const) {
      await lockOf(pid, started);
      expect(await isLocked(filesIn(folder)), started).toBe(false);
      await (await lockFolder(folder))();
    }
    for (const started of [own.started, null]) {
      await lockOf(process.pid, started);
      expect(await isLocked(filesIn(folder)), String(started)).toBe(true);
      await expect(lockFolder(folder)).rejects.toThrow('in use by process');
    }
  });

  it.runIf(existsSync('/proc/self/stat'))(
    'is stale where its process has ended and nobody has asked for it',
    async () => {
      // The shell becomes a program that knows of no child, so that the child's number is kept.
      const parent = spawn('/bin/sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      try {
        const [pid] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
        await expect.poll(() => readFile(`/proc/${pid.trim()}/stat`, 'utf8')).toMatch(/\) Z /);
        await writeFile(join(folder, 'lock'), JSON.stringify({ pid: Number(pid), host: hostname() }));
        expect(await isLocked(filesIn(folder))).toBe(false);
        await (await lockFolder(folder))();
      } finally {
        parent.kill('SIGKILL');
      }
    },
  );

  it.skipIf(process.platform === 'win32')('is no pipe, which never ends, and nothing larger than a lock', async () => {
    const path = join(folder, 'lock');
    execFileSync('mkfifo', [path]);
    await expect(lockFolder(folder)).rejects.toThrow(/lock is no lock that can be read \(it is no regular.*delete it/);
    await rm(path);
    await writeFile(path, Buffer.alloc(2 ** 24 + 1));
    await expect(lockFolder(folder)).rejects.toThrow(/lock is no lock that can be read \(it has 16777217 bytes/);
    expect(await isLocked(filesIn(folder))).toBe(false);
  });

  it.skipIf(process.platform === 'win32')('is no link, to nothing or to a lock, and no folder', async () => {
    await writeFile(join(folder, 'other'), '{"pid":');
    for (const name of ['lock', 'lock.takeover']) {
      const path = join(folder, name);
      for (const [kind, make] of [
        ['link', () => symlink('/nowhere', path)],
        ['link', () => symlink('other', path)],
        ['folder', () => mkdir(path)],
      ] as const) {
        await make();
        await expect(lockFolder(folder)).rejects.toThrow(
          `${path} is no lock that can be read (it is no regular file but a ${kind}); delete it if no trainer`,
        );
        expect((await readdir(folder)).toSorted()).toEqual([name, 'other'].toSorted());
        await rm(path, { recursive: true });
      }
    }
  });

  it('of another host is respected', async () => {
    await writeFile(join(folder, 'lock'), JSON.stringify({ pid: 1, host: 'elsewhere' }));
    await expect(lockFolder(folder)).rejects.toThrow(/process 1 on elsewhere/);
  });

  it('can be asked about: it counts while its process runs, and where nobody can tell', async () => {
    expect(await isLocked(filesIn(folder))).toBe(false);
    const unlock = await lockFolder(folder);
    expect(await isLocked(filesIn(folder))).toBe(true);
    await unlock();
    expect(await isLocked(filesIn(folder))).toBe(false);
    const { pid } = spawnSync(process.execPath, ['--version']);
    await writeFile(join(folder, 'lock'), JSON.stringify({ pid, host: hostname() }));
    expect(await isLocked(filesIn(folder))).toBe(false);
    await writeFile(join(folder, 'lock'), JSON.stringify({ pid, host: 'elsewhere' }));
    expect(await isLocked(filesIn(folder))).toBe(true);
  });
});
