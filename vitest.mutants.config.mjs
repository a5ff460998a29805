/** Settings of the tests that changed sources are held against (scripts/mutants), in Stryker's copy of the repository. */
import { join } from 'node:path';
import { BaseSequencer } from 'vitest/node';
import { settings } from './scripts/vitest.mjs';

// A test that runs on and on does not end by itself when the run is stopped.
process.once('disconnect', () => process.exit());

/** The file that found the fault before is likely to find the next one, close by; then what takes least time. */
class QuickFirst extends BaseSequencer {
  sort(files) {
    const order = ({ project, moduleId }) => {
      const key = `${project.name}:${moduleId.slice(project.config.root.length + 1)}`;
      const last = this.ctx.cache.getFileTestResults(key);
      return last === undefined ? 0 : last.failed ? -1 : last.duration;
    };
    return Promise.resolve(files.toSorted((a, b) => order(a) - order(b)));
  }
}

/** Packages find each other through node_modules, which lead out of the copy, where sources are as they were. */
const inCopy = (name) => ({
  find: new RegExp(`^@lpr/${name}$`),
  replacement: join(import.meta.dirname, 'packages', name, 'src/index.ts'),
});

export default {
  resolve: { alias: ['moe', 'metrics'].map(inCopy) },
  cacheDir: '.vite',
  test: {
    ...settings.test,
    setupFiles: [...settings.test.setupFiles, join(import.meta.dirname, 'scripts/mutants/setup.mjs')],
    // What takes seconds is at the end of a sweep over mutants what most of the time went to.
    exclude: ['**/node_modules/**', '**/*.slow.test.ts'],
    // The tests run many times slower where every place that has a mutant is counted.
    testTimeout: 600_000,
    include: ['packages/*/test/**/*.test.ts', 'tests/**/*.test.ts'],
    sequence: { sequencer: QuickFirst },
  },
};
