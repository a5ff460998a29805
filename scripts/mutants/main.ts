/** `pnpm mutants`: whether the tests notice when the sources of a package are changed, one small fault at a time. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Stryker } from '@stryker-mutator/core';
import { EQUIVALENT } from './equivalent.ts';
import {
  countMutants,
  type MutationReport,
  mutantsReport,
  scoreOf,
  unmatchedEntries,
  withEquivalents,
  withoutUntested,
} from './report.ts';
import { type Lines, linesSince, patternOf, sourcesOf } from './scope.ts';
import { FOLDER, PACKAGES, strykerOptions } from './settings.ts';

/** A share of mutants below this is a failure. */
const LEAST_SCORE = 90;
const MINUTE_MS = 60_000;

const HELP = `Usage: pnpm mutants [<file>...] [--since <commit>] [--minutes <n>] [--fresh] [--report]

Puts faults into ${PACKAGES.map(({ folder }) => folder).join(' and ')}, one at a time (a + for a -, a condition always true, a call left out), and runs the tests
that reach each. Prints the share that a test noticed, file by file, and every fault that none did; exits with 1 when the share of all is below
${LEAST_SCORE} %; while some are not tested yet, it only warns.

What was tested is kept (${FOLDER}): a run that was stopped goes on, and what has not changed, with its tests, is not tested again.
A change of one source may change what the tests notice in another: --fresh forgets what is kept.

  <file>            only the sources whose path has this in it: metrics, losses/, router.ts
  --since <commit>  only the lines that differ from where this branch left the commit, such as main
  --minutes <n>     ends after so long, and says what was found until then
  --fresh           tests everything anew
  --report          prints what is kept, and tests nothing

A fault that changes nothing that could be noticed is listed in scripts/mutants/equivalent.ts, with the reason.`;

const { values, positionals } = parseArgs({
  options: {
    since: { type: 'string' },
    minutes: { type: 'string' },
    fresh: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
  allowPositionals: true,
});

/** The lines to mutate. */
function scopeOf(): Lines[] {
  const all = PACKAGES.flatMap(({ folder }) => sourcesOf(folder));
  const files = positionals.length === 0 ? all : all.filter((file) => positionals.some((part) => file.includes(part)));
  if (files.length === 0) throw new Error(`no source has ${positionals.join(' or ')} in its path, see --help`);
  return values.since === undefined
    ? files.map((file) => ({ file, first: 1, last: Number.MAX_SAFE_INTEGER }))
    : linesSince(values.since, files);
}

/** What is kept of earlier runs. */
const readKept = (results: string): MutationReport =>
  existsSync(results) ? (JSON.parse(readFileSync(results, 'utf8')) as MutationReport) : { files: {} };

/** Prints what became of the mutants, and decides how this program ends. */
function judge(scope: readonly Lines[]): void {
  const files = PACKAGES.map(({ results }) => readKept(results).files);
  const kept = withEquivalents({ files: Object.assign({}, ...files) }, EQUIVALENT);
  console.log(mutantsReport(kept, scope));
  const whole = scope.flatMap(({ file, last }) => (last === Number.MAX_SAFE_INTEGER ? [file] : []));
  const unmatched = unmatchedEntries(kept, EQUIVALENT, whole);
  if (unmatched.length > 0) {
    console.error(`error: scripts/mutants/equivalent.ts lists what no fault is:\n${unmatched.join('\n')}`);
    process.exitCode = 1;
  }
  const { total } = countMutants(kept, scope);
  const score = scoreOf(total);
  if (score >= LEAST_SCORE) return;
  const finding = `${score.toFixed(1)} % of the faults were noticed, expected at least ${LEAST_SCORE} %`;
  if (total.untested > 0) {
    // What there was time for goes by the order of the files, which says little of the others.
    console.error(`warning: ${finding}, but ${total.untested} were not tested; go on for a verdict`);
    return;
  }
  console.error(`error: ${finding}`);
  process.exitCode = 1;
}

/** Copies of the sources with faults in them, which Stryker leaves behind where it is stopped. */
function forgetCopies(): void {
  const copies = existsSync(FOLDER) ? readdirSync(FOLDER).filter((name) => name.startsWith('sandbox-')) : [];
  for (const name of copies) rmSync(join(FOLDER, name), { recursive: true, force: true });
}

async function testMutants(scope: readonly Lines[], minutes: number): Promise<void> {
  forgetCopies();
  process.once('exit', forgetCopies);
  const end = setTimeout(() => {
    // Stryker cannot be asked to end: it clears up, and what was tested is written, when the process exits.
    process.once('exit', () => judge(scope));
    process.exit();
  }, minutes * MINUTE_MS);
  for (const part of PACKAGES) {
    const lines = scope.filter(({ file }) => file.startsWith(`${part.folder}/`));
    if (lines.length === 0) continue;
    // Stryker would take the results of mutants that there was no time for to be final.
    if (existsSync(part.results)) {
      writeFileSync(part.results, JSON.stringify(withoutUntested(readKept(part.results))));
    }
    await new Stryker(strykerOptions(part, lines.map(patternOf), values.fresh)).runMutationTest();
  }
  clearTimeout(end);
  judge(scope);
}

const minutes = Number(values.minutes ?? 24 * 60);
if (values.help) {
  console.log(HELP);
} else if (!(minutes > 0)) {
  throw new Error(`--minutes must be above 0, got ${values.minutes}`);
} else {
  const scope = scopeOf();
  if (values.report) judge(scope);
  else if (scope.length === 0) console.log(`nothing to test: no source differs from ${values.since}`);
  else await testMutants(scope, minutes);
}
