/**
 * `pnpm tables`: the tables in the documents of this repository, and the results in `docs/results` that they are made
 * of.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type RunsResult, shareSettings, withSharedSettings } from '@lpr/results';
import { differenceLines, readResult, staleDocuments, writeResult } from '@lpr/results/node';
import { describeEnvironment, RUN_FILES } from '@lpr/runs';
import { createDevice } from '@lpr/tensor';
import { collectResults, provenanceOf } from '../src/comparison/collect.ts';
import { COMPUTED } from '../src/comparison/computed.ts';
import { trainingLoadsTable } from '../src/comparison/training-loads.ts';
import { drawPictures } from './pictures.ts';

const ROOT = resolve(import.meta.dirname, '../../..');

const HELP = `pnpm tables                              makes the tables of all Markdown files, and docs/scaling.png, anew from docs/results
pnpm tables --check                      says which tables differ, and changes nothing
pnpm tables collect FOLDER... --out FILE stores finished runs and comparisons as a result
    --about TEXT      what it is; kept from FILE where that is there
    --command TEXT    what made it, once or several times; kept likewise
    --add             to the runs and commands that FILE holds, such as further seeds of them
pnpm tables loads FOLDER... --steps 5,10 --out FILE
                                         stores how even the load in training was in the windows that end at these steps
    --about, --command  as above
pnpm tables compute                      computes anew what needs no training: ${Object.keys(COMPUTED).join(', ')}`;

/** Makes all tables and pictures anew, or says which tables differ. */
async function rewrite(check: boolean): Promise<void> {
  const stale = await staleDocuments(ROOT);
  for (const document of stale) {
    if (check) console.error(differenceLines(document).join('\n'));
    else {
      await writeFile(join(ROOT, document.file), document.document);
      console.log(`${document.file}: ${document.differences.length} made anew`);
    }
  }
  if (!check) console.log((await drawPictures(ROOT)).join('\n'));
  if (check && stale.length > 0) {
    console.error('\n`pnpm tables` makes these tables anew from the results in docs/results.');
    process.exitCode = 1;
  }
}

/** Stores runs; what a person wrote in the file before is kept. */
async function collect(folders: readonly string[], out: string, given: Given): Promise<void> {
  const [first, ...others] = folders;
  if (first === undefined) throw new Error('collect needs the folders of runs or comparisons');
  const before = existsSync(out) ? await readResult(out) : undefined;
  if (before?.kind === 'tables') throw new Error(`${out} holds tables, not runs; name another file`);
  const about = given.about ?? before?.about;
  const earlier = given.add ? (before?.commands ?? []) : [];
  const commands = given.command === undefined ? before?.commands : [...new Set([...earlier, ...given.command])];
  if (about === undefined || commands === undefined) {
    throw new Error(untold(out));
  }
  const known =
    given.add && before !== undefined ? { runs: withSharedSettings(before), paper: before.paper } : undefined;
  const { runs, paper, when, machine } = await collectResults([first, ...others], known);
  const { titles = {} } = before ?? {};
  const result: RunsResult = { kind: 'runs', about, commands, when, machine, titles, ...shareSettings(runs), paper };
  await writeResult(out, result);
  console.log(`${out}: ${runs.length} runs; \`pnpm tables\` shows them`);
}

/** Stores the balance of runs in training. */
async function loads(folders: readonly string[], out: string, given: Given): Promise<void> {
  const [first, ...others] = folders;
  if (first === undefined) throw new Error('loads needs the folders of runs');
  const steps = given.steps?.split(',').map(Number) ?? [];
  if (steps.length === 0 || !steps.every((step) => Number.isInteger(step) && step > 0)) {
    throw new Error(`--steps is ${given.steps ?? 'missing'}; give some numbers of steps, such as 5,10,20`);
  }
  const before = existsSync(out) ? await readResult(out) : undefined;
  if (before?.kind === 'runs') throw new Error(`${out} holds runs, not tables; name another file`);
  const { about = before?.about, command: commands = before?.commands } = given;
  if (about === undefined || commands === undefined) throw new Error(untold(out));
  const table = await trainingLoadsTable([first, ...others], steps);
  const { when, machine } = await provenanceOf(folders, RUN_FILES.loads);
  await writeResult(out, { kind: 'tables', about, commands, when, machine, tables: { loads: table } });
  console.log(`${out}: ${table.rows.length} rows; \`pnpm tables\` shows them`);
}

/** Computes the results that need no training. */
async function compute(): Promise<void> {
  const device = await createDevice('wasm');
  const { cpu, node, threads } = describeEnvironment(device, {}, null);
  for (const [name, { about, tables }] of Object.entries(COMPUTED)) {
    const out = join(ROOT, 'docs', 'results', `${name}.json`);
    await writeResult(out, {
      kind: 'tables',
      about,
      commands: ['pnpm tables compute'],
      when: new Date().toISOString().slice(0, 10),
      machine: { cpu, node, threads },
      tables: await tables(device),
    });
    console.log(`${out}; \`pnpm tables\` shows it`);
  }
  await device.dispose();
}

function untold(out: string): string {
  return `${out} is new, so say what it is by --about, and what made it by --command`;
}

interface Given {
  readonly about?: string | undefined;
  readonly command?: readonly string[] | undefined;
  readonly add: boolean;
  readonly steps?: string | undefined;
}

const { values, positionals } = parseArgs({
  // pnpm hands "--" on.
  args: process.argv.slice(2).filter((word) => word !== '--'),
  options: {
    check: { type: 'boolean', default: false },
    out: { type: 'string' },
    about: { type: 'string' },
    command: { type: 'string', multiple: true },
    add: { type: 'boolean', default: false },
    steps: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
  allowPositionals: true,
});
const [command, ...folders] = positionals;
try {
  if (values.help) console.log(HELP);
  else if (command === undefined) await rewrite(values.check);
  else if (command === 'compute' && folders.length === 0) await compute();
  else if (command === 'collect' && values.out !== undefined) await collect(folders, values.out, values);
  else if (command === 'loads' && values.out !== undefined) await loads(folders, values.out, values);
  else throw new Error(HELP);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
