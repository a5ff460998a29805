/** Settings of the tests that changed sources are held against (scripts/mutants), in Stryker's copy of the repository. */
import { join } from 'node:path';
import { settings } from './scripts/vitest.mjs';

// A test that runs on and on does not end by itself when the run is stopped.
process.once('disconnect', () => process.exit());

/** Packages find each other through node_modules, which lead out of the copy, where sources are as they were. */
const inCopy = (name) => ({
  find: new RegExp(`^@lpr/${name}$`),
  replacement: join(import.meta.dirname, 'packages', name, 'src/index.ts'),
});

export default {
  resolve: { alias: ['moe', 'metrics'].map(inCopy) },
  cacheDir: '.vite',
  // Not the ones nearest to a file, which name projects that are not in the copy.
  tsconfig: 'tsconfig.tests.json',
  test: {
    ...settings.test,
    runner: './scripts/mutants/worker.mjs',
    includeTaskLocation: true,
    // What takes seconds is at the end of a sweep over mutants what most of the time went to.
    exclude: ['**/node_modules/**', '**/*.slow.test.ts'],
    // The tests run many times slower where every place that has a mutant is counted.
    testTimeout: 600_000,
  },
};
