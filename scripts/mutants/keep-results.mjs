/**
 * A reporter of Stryker that writes down what became of each mutant while the run goes on, in the format of an
 * incremental report, which Stryker itself writes only at the end: a run that is stopped goes on from here.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';

/** Stryker counts lines and columns from 0, its reports from 1. */
const from1 = ({ line, column }) => ({ line: line + 1, column: column + 1 });

const EVERY_MS = 20_000;

class KeptResults {
  #mutants = new Map();
  #tests = new Map();
  #written = Date.now();
  /** As they are in the copy that is tested, whatever is written to them meanwhile. */
  #sources = new Map();
  #file;

  static inject = ['options'];

  constructor({ incrementalFile }) {
    this.#file = incrementalFile;
  }

  onDryRunCompleted({ result }) {
    this.#tests = new Map(result.tests.map((test, i) => [test.id, { ...test, number: String(i) }]));
  }

  onMutationTestingPlanReady({ mutantPlans }) {
    for (const { mutant } of mutantPlans) {
      // Until it is tested.
      const location = { start: from1(mutant.location.start), end: from1(mutant.location.end) };
      this.#mutants.set(mutant.id, { ...mutant, location, status: 'Pending' });
    }
    const read = [...mutantPlans.map(({ mutant }) => mutant), ...this.#tests.values()];
    for (const { fileName } of read)
      this.#sources.set(fileName, this.#sources.get(fileName) ?? readFileSync(fileName, 'utf8'));
    process.once('exit', () => this.#write());
  }

  onMutantTested(mutant) {
    this.#mutants.set(mutant.id, mutant);
    if (Date.now() - this.#written > EVERY_MS) this.#write();
  }

  onMutationTestReportReady() {
    this.#write();
  }

  #write() {
    const numbers = (ids) => ids?.map((id) => this.#tests.get(id)?.number ?? id);
    const files = {};
    for (const { fileName, coveredBy, killedBy, ...mutant } of this.#mutants.values()) {
      const name = relative(process.cwd(), fileName);
      files[name] ??= { language: 'typescript', source: this.#sources.get(fileName), mutants: [] };
      files[name].mutants.push({ ...mutant, coveredBy: numbers(coveredBy), killedBy: numbers(killedBy) });
    }
    const testFiles = {};
    for (const { fileName, name, number, startPosition } of this.#tests.values()) {
      const path = relative(process.cwd(), fileName);
      testFiles[path] ??= { source: this.#sources.get(fileName), tests: [] };
      testFiles[path].tests.push({ id: number, name, location: { start: from1(startPosition) } });
    }
    this.#written = Date.now();
    mkdirSync(dirname(this.#file), { recursive: true });
    writeFileSync(`${this.#file}.new`, JSON.stringify({ schemaVersion: '1.0', thresholds: {}, files, testFiles }));
    renameSync(`${this.#file}.new`, this.#file);
  }
}

export const strykerPlugins = [{ kind: 'Reporter', name: 'kept-results', injectableClass: KeptResults }];
