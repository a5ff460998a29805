/** `pnpm soak`: the tests that take as long as they are given, files named `*.soak.ts`. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Table, TablesResult } from '@lpr/results';
import { readResult, writeResult } from '@lpr/results/node';
import { startVitest } from 'vitest/node';
import { addedUp, readRecords, type SoakRecord, soakVariables } from './record.ts';

const HELP = `Usage: pnpm soak [--minutes <n>] [--seed <n>] [--json <file>] [<file>...]

Looks for what shows only in the long run: errands that are killed and damaged at random, again and again, must each end with the same bits
as one that nothing happened to; training must need no more memory however long it goes on; readers must take any
input by name and in time; and a server must answer whatever lies in the runs that it serves. Exits with 1 when something is lost.

  --minutes <n>  how long each test goes on (default: 10)
  --seed <n>     decides what happens when (default: the time)
  --json <file>  adds the numbers up in this file; pnpm tables shows those of docs/results/soak.json
  <file>         only the files whose path has this in it: faults, memory, readers, server`;

const COLUMNS: Table['columns'] = [
  { key: 'what', title: 'what' },
  { key: 'count', title: 'how often', decimals: 0 },
  { key: 'lost', title: 'lost', decimals: 0 },
  { key: 'minutes', title: 'minutes', decimals: 0 },
];

/** Adds records to those of a file, which need not be there. */
async function store(file: string, records: readonly SoakRecord[]): Promise<void> {
  const before = existsSync(file) ? await readResult(file) : undefined;
  const table = before?.kind === 'tables' ? before.tables['soak'] : undefined;
  if (before !== undefined && table === undefined) throw new Error(`${file} holds no numbers of soaks; name another`);
  const result: TablesResult = {
    kind: 'tables',
    about:
      'What the tests that take as long as they are given went through, of all runs of the command since the file began, and how often it did not go as it must. Begin a new file when what was lost is mended.',
    commands: [`pnpm soak --json docs/results/soak.json`],
    when: new Date().toISOString().slice(0, 10),
    machine: { cpu: cpus()[0]?.model ?? 'unknown', node: process.version, threads: null },
    tables: {
      soak: {
        title: 'In the long run',
        columns: COLUMNS,
        rows: addedUp((table?.rows ?? []) as unknown as SoakRecord[], records).map((record) => ({ ...record })),
        notes: [],
      },
    },
  };
  await writeResult(file, result);
  console.log(`${file}; pnpm tables shows it`);
}

const { values, positionals } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
  allowPositionals: true,
});
const { minutes, seed, json } = values;
if (values.help) {
  console.log(HELP);
} else if (!(Number(minutes) > 0) || !/^\d{1,9}$/.test(seed)) {
  console.error(`error: --minutes must be above 0 and --seed a whole number, got ${minutes} and ${seed}`);
  process.exitCode = 1;
} else {
  console.log(`seed ${seed}`);
  const folder = mkdtempSync(join(tmpdir(), 'lpr-soak-'));
  const records = join(folder, 'records.jsonl');
  writeFileSync(records, '');
  Object.assign(process.env, soakVariables({ minutes: Number(minutes), seed: Number(seed) }, records));
  const vitest = await startVitest('test', positionals, { config: 'vitest.soak.config.mjs', watch: false });
  await vitest.close();
  if (json !== undefined) await store(json, readRecords(records));
  rmSync(folder, { recursive: true });
  // What a test has left running must not keep the program.
  process.exit();
}
