/** `pnpm trainer sweep`: the runs of a file, how far they are, and what they gave. */
import { basename, extname, join } from 'node:path';
import { tableText } from '@lpr/report/tables';
import { leavesOf } from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';
import { type Comparison, readComparison } from '../comparison/comparison.ts';
import { setSideBySide } from '../comparison/finish.ts';
import type { SettingOptions } from '../settings/resolve.ts';
import type { Settings } from '../settings/schema.ts';
import { expandSweep, readSweepFile } from '../sweep/expand.ts';
import { statusOf, statusTable } from '../sweep/status.ts';
import { goOnWithComparison, printComparison, startComparison, type TableOptions } from './compare.ts';
import { type ManyRunsOptions, shown } from './shared.ts';

export interface SweepOptions extends SettingOptions, ManyRunsOptions, TableOptions {}

/** Trains the runs of a file; where its folder has them already, those that are left. */
export async function sweep(file: string, { out, parallel, sort, ...options }: SweepOptions): Promise<void> {
  const comparison = expandSweep(readSweepFile(file), options, file);
  const folder = out ?? join('runs', basename(file, extname(file)));
  const known = await readComparison(folder);
  if (known === null) {
    await startComparison('sweep', comparison, { out: folder, parallel, sort });
    return;
  }
  checkSame(folder, known, file, comparison);
  await goOnWithComparison(folder, comparison, { parallel, sort });
}

/** Where a run computes may be another place each time. */
function decidedBy(settings: Settings): Map<string, string> {
  const { device: _device, threads: _threads, ...decided } = settings;
  return new Map(leavesOf(decided).map(([path, leaf]) => [path, JSON.stringify(leaf)]));
}

/** @throws UsageError where a folder has other runs than a file */
function checkSame(folder: string, known: Comparison, file: string, wanted: Comparison): void {
  const fail = (what: string): never => {
    throw new UsageError(
      `${folder} has other runs than ${file}: ${what}. Choose another --out for these, or go on with what is there: ` +
        `pnpm trainer resume ${shown(folder)}`,
    );
  };
  for (const name of known.runs.keys()) if (!wanted.runs.has(name)) fail(`${name} is not in the file`);
  for (const [name, settings] of wanted.runs) {
    const before = known.runs.get(name);
    if (before === undefined) {
      fail(`${name} is not in the folder`);
      continue;
    }
    const [was, is] = [decidedBy(before), decidedBy(settings)];
    const path = [...was.keys(), ...is.keys()].find((each) => was.get(each) !== is.get(each));
    if (path !== undefined) {
      fail(`${path} of ${name} is ${was.get(path) ?? 'nothing'} there, now ${is.get(path) ?? 'nothing'}`);
    }
  }
}

/** Prints how far the runs of a folder are. */
export async function printStatus(folder: string): Promise<void> {
  console.log(tableText(statusTable(await statusOf(folder, await comparisonIn(folder)))));
}

/** Sets the finished runs of a folder side by side. */
export async function collect(folder: string, { sort }: TableOptions): Promise<void> {
  const comparison = await comparisonIn(folder);
  const unfinished = (await statusOf(folder, comparison)).filter(({ state }) => state !== 'done');
  const left = new Map(unfinished.map(({ name, state, reason }) => [name, reason ?? state]));
  const finished = await setSideBySide(folder, comparison, left, (sentence) => console.error(sentence));
  printComparison(folder, finished, sort);
}

/** @throws UsageError where there is none */
async function comparisonIn(folder: string): Promise<Comparison> {
  const comparison = await readComparison(folder);
  if (comparison !== null) return comparison;
  throw new UsageError(`${folder} holds no sweep; give the folder that "trainer sweep FILE" made`);
}
