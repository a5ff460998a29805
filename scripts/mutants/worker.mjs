/**
 * Vitest's runner in the worker: collects the tests of all files, then runs those that it is asked for, with one mutant
 * active at a time. Mutants are switched on while the program runs, so nothing has to be loaded again.
 */
import { createRequire } from 'node:module';
import { relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BroadcastChannel } from 'node:worker_threads';
import { configureGlobal } from 'fast-check';
import { TestRunner, vi } from 'vitest';

// Vitest's own, whose functions know the tests.
const { resolve } = createRequire(createRequire(import.meta.url).resolve('vitest/package.json'));
const { collectTests } = await import(pathToFileURL(resolve('@vitest/runner')).href);

/** A mutant may be reached so many times as often as without it, before its loop counts as endless. */
const MOST_HITS = 20;

// A failing property is failing; the search for its simplest case would take longer than all else.
configureGlobal({ endOnFailure: true });

const stryker = (globalThis.__stryker__ ??= {});

export default class LoadedTests extends TestRunner {
  /** By identity: the file and the name of the test. */
  #tests = new Map();
  /** What each took without a mutant. */
  #times = new Map();
  #errors = [];
  #hits = { static: {}, perTest: {} };

  onCollected(files) {
    for (const file of files) {
      this.#times = new Map(Array.from(this.#tests.values(), ({ id, timeSpentMs }) => [id, timeSpentMs]));
      for (const { id, file: of } of [...this.#tests.values()]) if (of === file.filepath) this.#tests.delete(id);
      for (const error of file.result?.errors ?? []) this.#errors.push(`${file.filepath}: ${error.message}`);
      this.#collect(file, file, []);
      // Vitest itself runs nothing, so that no file ends and takes its device with it.
      file.mode = 'skip';
    }
  }

  async onAfterRunFiles() {
    const files = globalThis.__vitest_worker__.ctx.files;
    if (globalThis.__vitest_worker__.filepath !== files.at(-1).filepath) return;
    await this.#serve();
  }

  #collect(suite, file, names) {
    for (const task of suite.tasks) {
      if (task.type === 'suite') this.#collect(task, file, [...names, task.name]);
      if (task.type !== 'test' || task.mode === 'skip' || task.mode === 'todo') continue;
      const base = `${relative(process.cwd(), file.filepath)}#${[...names, task.name].join(' ')}`;
      let id = base;
      for (let copy = 2; this.#tests.has(id); copy++) id = `${base} (${copy})`;
      const { line, column } = task.location;
      const startPosition = { line: line - 1, column: column - 1 };
      const run = TestRunner.getTestFn(task);
      const timeSpentMs = this.#times.get(id) ?? 0;
      this.#tests.set(id, { id, file: file.filepath, startPosition, run, timeSpentMs });
    }
  }

  /** Answers what is asked until the end. */
  #serve() {
    const channel = new BroadcastChannel(process.env.LPR_MUTANTS_CHANNEL);
    return new Promise((resolve) => {
      channel.onmessage = async ({ data }) => {
        if (data.kind === 'end') {
          channel.close();
          resolve();
        } else {
          channel.postMessage(data.kind === 'all' ? await this.#runAll() : await this.#runMutant(data));
        }
      };
      channel.postMessage({ errors: this.#errors });
    });
  }

  /** All tests without a mutant, and how often each reached which. */
  async #runAll() {
    const tests = [];
    for (const test of this.#tests.values()) {
      stryker.currentTestId = test.id;
      const start = performance.now();
      const error = await failureOf(test);
      test.timeSpentMs = performance.now() - start;
      tests.push({ ...test, run: undefined, error: error && String(error.message ?? error) });
    }
    stryker.currentTestId = undefined;
    this.#hits = stryker.mutantCoverage ?? this.#hits;
    // No more counting.
    stryker.mutantCoverage = undefined;
    return { tests, mutantCoverage: this.#hits };
  }

  /** The tests that reach a mutant, quick ones first, until one fails. */
  async #runMutant({ mutant, ids, hitLimit }) {
    const tests = ids.map((id) => this.#tests.get(id)).toSorted((a, b) => a.timeSpentMs - b.timeSpentMs);
    let ran = 0;
    for (const test of tests) {
      ran += 1;
      stryker.activeMutant = mutant;
      stryker.hitCount = 0;
      stryker.hitLimit = MOST_HITS * (this.#hits.perTest[test.id]?.[mutant] ?? hitLimit / 100) + 1000;
      const failure = await failureOf(test);
      const endless = stryker.hitCount > stryker.hitLimit;
      stryker.activeMutant = undefined;
      stryker.hitCount = undefined;
      if (failure === undefined && !endless) continue;
      // What a mutant leaves behind, a device that has failed, say, must not be taken for what the next one does. To
      // load the file again makes all of it anew.
      let broken = (await failureOf(test)) !== undefined;
      if (broken) {
        vi.resetModules();
        await collectTests([{ filepath: test.file }], this);
        broken = (await failureOf(this.#tests.get(test.id))) !== undefined;
      }
      return { ran, killedBy: test.id, endless, broken, error: String(failure?.message ?? failure) };
    }
    return { ran };
  }
}

/** Of the test alone, without the hooks around it; what it spies on is left as it was. */
async function failureOf(test) {
  try {
    await test.run();
    return undefined;
  } catch (error) {
    return error ?? new Error('the test threw nothing');
  } finally {
    vi.restoreAllMocks();
  }
}
