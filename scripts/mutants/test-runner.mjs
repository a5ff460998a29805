/**
 * A test runner of Stryker on Vitest that loads all tests once and then only runs them, mutant after mutant: what
 * Stryker's own does anew for each (a worker, all modules, the device) takes many times what the tests take.
 *
 * Vitest runs in this process, its one worker is `worker.mjs`; they talk through a channel.
 */
import { BroadcastChannel } from 'node:worker_threads';
import { createVitest } from 'vitest/node';

class LoadedTests {
  #vitest;
  #channel;
  #testFiles;
  #answer;
  #loaded;
  #broken = false;

  static inject = ['options'];

  constructor({ testFiles }) {
    this.#testFiles = testFiles;
  }

  capabilities() {
    return { reloadEnvironment: false };
  }

  async init() {
    const name = `mutants-${process.pid}`;
    process.env.LPR_MUTANTS_CHANNEL = name;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#answer?.(data);
    const ready = this.#next();
    this.#vitest = await createVitest('test', {
      config: 'vitest.mutants.config.mjs',
      include: this.#testFiles,
      pool: 'threads',
      maxWorkers: 1,
      isolate: false,
      watch: false,
      coverage: { enabled: false },
      reporters: [{}],
    });
    // The worker goes on until it is told that there is nothing more to do.
    this.#loaded = this.#vitest.start();
    const { errors } = await Promise.race([ready, this.#loaded.then(() => ({ errors: ['no tests could be loaded'] }))]);
    if (errors.length > 0) throw new Error(errors.join('\n'));
  }

  async dryRun() {
    const { tests, mutantCoverage } = await this.#ask({ kind: 'all' });
    const failed = tests.find(({ error }) => error !== undefined);
    if (failed) return { status: 'error', errorMessage: `${failed.id} fails without any mutant: ${failed.error}` };
    return {
      status: 'complete',
      tests: tests.map(({ id, file, timeSpentMs, startPosition }) => ({
        id,
        name: id,
        status: 0,
        fileName: file,
        timeSpentMs,
        startPosition,
      })),
      mutantCoverage,
    };
  }

  async mutantRun({ activeMutant, testFilter, hitLimit }) {
    // Stryker then tries again with a new process.
    if (this.#broken) throw new Error('the mutant before has left something broken behind');
    const answer = await this.#ask({ kind: 'mutant', mutant: activeMutant.id, ids: testFilter, hitLimit });
    this.#broken = answer.broken;
    // Not what the mutant does, but what all of them together have used up.
    if (answer.broken && /memory/i.test(answer.error)) throw new Error(answer.error);
    if (answer.error === undefined) return { status: 'survived', nrOfTests: answer.ran };
    if (answer.endless) return { status: 'timeout', reason: answer.error };
    return { status: 'killed', nrOfTests: answer.ran, killedBy: [answer.killedBy], failureMessage: answer.error };
  }

  async dispose() {
    this.#channel?.postMessage({ kind: 'end' });
    await this.#loaded;
    await this.#vitest?.close();
    this.#channel?.close();
  }

  #next() {
    return new Promise((resolve) => (this.#answer = resolve));
  }

  #ask(question) {
    const answer = this.#next();
    this.#channel.postMessage(question);
    return answer;
  }
}

export const strykerPlugins = [{ kind: 'TestRunner', name: 'loaded-tests', injectableClass: LoadedTests }];
