/**
 * The trainer compiled to JavaScript, as users of the packages run it: it starts in a third of the time that its
 * TypeScript takes. Compiled before the tests, what is up to date left as it is.
 */
import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';

export const root: string = resolve(import.meta.dirname, '..');

/** What Node runs: the condition makes the packages stand for what is compiled. */
export const compiledTrainer = ['--conditions=compiled', join(root, 'apps/trainer/dist/main.js')] as const;

/** The runner calls this once, before the first test. */
export default function compile(): void {
  const node = (folder: string, ...words: string[]): void => {
    execFileSync(process.execPath, words, { cwd: join(root, folder), stdio: 'inherit' });
  };
  node('apps/trainer', join(root, 'node_modules/typescript/bin/tsc'), '-b');
  node('packages/tensor', '--import', 'tsx', 'scripts/copy-kernels.ts');
}
