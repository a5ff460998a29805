/**
 * Runs a TypeScript program of this repository (`node scripts/run.mjs ENTRY ARGUMENTS...`) after the kernels are
 * compiled.
 */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { register } from 'tsx/esm/api';

const [node, , entry, ...args] = process.argv;

// Turbo knows whether they are up to date; its output matters only when it fails.
const notice = setTimeout(() => process.stderr.write('compiling the kernels (once, about 15 seconds)\n'), 1500);
try {
  await promisify(execFile)('turbo', ['run', 'kernels'], { shell: process.platform === 'win32' });
} catch (error) {
  process.stderr.write(`${error.stdout ?? ''}${error.stderr ?? ''}\ncompiling the kernels failed: ${error.message}\n`);
  process.exit(1);
} finally {
  clearTimeout(notice);
}

process.argv = [node, entry, ...args];
register();
await import(pathToFileURL(resolve(entry)).href);
