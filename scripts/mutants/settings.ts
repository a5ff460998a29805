/** What is mutated, and the tests that must notice it. */
import { join } from 'node:path';
import type { Stryker } from '@stryker-mutator/core';

/** Everything of a run lies here; git ignores it. */
export const FOLDER = '.mutants';

/** What is tested in one go. */
export interface Mutated {
  /** Its sources are all in `src`. */
  readonly folder: string;
  /**
   * The package's own tests, and what is quick of those that cross packages: a mutant that survives costs the time of
   * all tests that reach it.
   */
  readonly tests: readonly string[];
  /** What became of each mutant, in Stryker's format of an incremental report. */
  readonly results: string;
}

const mutated = (name: string, ...further: string[]): Mutated => ({
  folder: `packages/${name}`,
  tests: [`packages/${name}/test/*.test.ts`, ...further],
  results: join(FOLDER, `${name}.json`),
});

export const PACKAGES: readonly Mutated[] = [
  mutated('metrics', 'tests/parity/{balance,specialisation}.test.ts'),
  mutated(
    'moe',
    'tests/parity/{latent-prototypes,routers,losses}.test.ts',
    'tests/routing/{layer,micro-batches,replay}.test.ts',
  ),
];

/**
 * Stryker's options.
 * @param mutate paths of sources of the package, or `PATH:FIRST-LAST` for some lines of one
 * @param fresh whether to test again what results are kept of
 */
export function strykerOptions(
  { tests, results }: Mutated,
  mutate: readonly string[],
  fresh: boolean,
): ConstructorParameters<typeof Stryker>[0] {
  return {
    mutate: [...mutate],
    testFiles: [...tests],
    // Words of errors are for people and names of parameters for files; tests that repeat them prove nothing. A string
    // that decides something is compared, and the comparison has mutants.
    mutator: { excludedMutations: ['StringLiteral'] },
    testRunner: 'loaded-tests',
    plugins: ['test-runner.mjs', 'keep-results.mjs'].map((name) => join(import.meta.dirname, name)),
    reporters: ['kept-results'],
    coverageAnalysis: 'perTest',
    // What runs only while modules load (tables of constants) would take all tests for each mutant.
    ignoreStatic: true,
    concurrency: 1,
    timeoutMS: 5000,
    // What a failing test leaves in memory adds up.
    maxTestRunnerReuse: 300,
    incremental: true,
    incrementalFile: results,
    force: fresh,
    tempDirName: FOLDER,
    cleanTempDir: 'always',
    disableTypeChecks: false,
    ignorePatterns: [
      '/*',
      ...['packages', 'tests', 'scripts', 'vitest.mutants.config.mjs', 'tsconfig.*.json'].map((path) => `!/${path}`),
      ...['/packages/*', ...PACKAGES.map(({ folder }) => `!/${folder}`), 'dist'],
      ...['/tests/*', '!/tests/parity', '/tests/parity/python', '!/tests/routing'],
    ],
    logLevel: 'warn' as never,
    allowConsoleColors: false,
  };
}
