/**
 * The programs of this repository compiled to JavaScript, for tests that run them as processes: they start in a third
 * of the time that their TypeScript takes.
 */
import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');

export type App = 'trainer' | 'dashboard';

/** What Node runs: the condition makes the packages stand for what is compiled. */
export const compiled = (app: App): readonly [condition: string, main: string] => [
  '--conditions=compiled',
  join(root, 'apps', app, 'dist/main.js'),
];

/** Compiles what is not up to date; the test runner calls this before the first test. */
export default function compile(): void {
  const node = (folder: string, ...words: string[]): void => {
    execFileSync(process.execPath, words, { cwd: join(root, folder), stdio: 'inherit' });
  };
  node('.', join(root, 'node_modules/typescript/bin/tsc'), '-b', 'apps/trainer', 'apps/dashboard');
  node('packages/tensor', '--import', 'tsx', 'scripts/copy-kernels.ts');
  node('apps/dashboard', '--import', 'tsx', 'scripts/build-page.ts');
}
