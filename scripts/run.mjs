/**
 * Runs a TypeScript program of this repository (`node scripts/run.mjs ENTRY ARGUMENTS...`) after the kernels are
 * compiled.
 */
import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { register } from 'tsx/esm/api';

const [node, , entry, ...args] = process.argv;

const root = join(import.meta.dirname, '..');
// By its path: only pnpm and its kin put it among the programs that are found by name.
const turbo = join(root, 'node_modules', '.bin', 'turbo');
// Turbo knows whether they are up to date; its output matters only when it fails.
const notice = setTimeout(() => process.stderr.write('compiling the kernels (once, about 15 seconds)\n'), 1500);
try {
  await promisify(execFile)(turbo, ['run', 'kernels'], { cwd: root, shell: process.platform === 'win32' });
} catch (error) {
  process.stderr.write(`${error.stdout ?? ''}${error.stderr ?? ''}\ncompiling the kernels failed: ${error.message}\n`);
  process.exit(1);
} finally {
  clearTimeout(notice);
}

process.argv = [node, entry, ...args];
register();
await import(pathToFileURL(resolve(entry)).href);
