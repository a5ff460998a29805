import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { programCommit } from '../src/versions.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lpr-commit-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

function git(...words: string[]): string {
  const identity = ['-c', 'user.name=a', '-c', 'user.email=a@b', '-c', 'commit.gpgsign=false'];
  return execFileSync('git', ['-C', root, ...identity, ...words], { encoding: 'utf8' }).trim();
}

/** A repository with a package in it; gives the package's folder. */
function checkout(): string {
  const folder = join(root, 'packages', 'one');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{}');
  git('init', '--quiet');
  git('add', '.');
  git('commit', '--quiet', '-m', 'Begin');
  return folder;
}

describe('the commit of the program', () => {
  it('is that of its checkout, with whether files were changed since', async () => {
    const folder = checkout();
    const id = git('rev-parse', 'HEAD');
    expect(id).toMatch(/^[0-9a-f]{40,}$/);
    // Of another repository, as inside a hook.
    vi.stubEnv('GIT_DIR', '/no/such');
    expect(await programCommit(folder)).toEqual({ id, dirty: false });
    // What git does not know of belongs to no commit.
    writeFileSync(join(folder, 'notes.txt'), '');
    expect(await programCommit(folder)).toEqual({ id, dirty: false });
    writeFileSync(join(folder, 'package.json'), '{"private": true}');
    expect(await programCommit(folder)).toEqual({ id, dirty: true });
  });

  it('is that of a further working tree of the repository', async () => {
    checkout();
    git('worktree', 'add', '--quiet', '-b', 'other', 'other');
    expect(await programCommit(join(root, 'other', 'packages', 'one'))).toEqual({
      id: git('rev-parse', 'HEAD'),
      dirty: false,
    });
  });

  it('is none outside of a checkout, in a repository that is not its own, and without git', async () => {
    const folder = join(root, 'node_modules', 'one');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{}');
    expect(await programCommit(folder)).toBeNull();
    const own = checkout();
    rmSync(join(root, '.git'), { recursive: true });
    writeFileSync(join(root, '.gitignore'), 'node_modules\n');
    checkout();
    expect(await programCommit(folder)).toBeNull();
    vi.stubEnv('PATH', root);
    expect(await programCommit(own)).toBeNull();
  });
});
