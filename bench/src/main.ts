/**
 * `pnpm bench [--json FILE] [--torch FILE] [--software] [names...]`: runs the named benchmarks, or all, and prints
 * their tables.
 */
import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { type Bench, formatTable, type Table } from './bench.ts';
import { gpu } from './gpu.ts';
import { matmul } from './matmul.ts';
import { mlp } from './mlp.ts';
import { ops } from './ops.ts';
import { PYTHON_VARIABLE } from './peers/torch.ts';
import { step } from './step.ts';

const benches: Readonly<Record<string, Bench>> = { matmul, ops, mlp, step, gpu };

const { values, positionals } = parseArgs({
  // pnpm hands "--" on.
  args: process.argv.slice(2).filter((word) => word !== '--'),
  options: {
    json: { type: 'string' },
    torch: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    software: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
  allowPositionals: true,
});

function selected(): [string, Bench][] {
  const names = positionals.length > 0 ? positionals : Object.keys(benches);
  return names.map((name) => {
    const bench = benches[name];
    if (!bench) throw new Error(`There is no benchmark "${name}"; there are: ${Object.keys(benches).join(', ')}`);
    return [name, bench];
  });
}

if (values.help) {
  console.log('pnpm bench [--json FILE] [--torch FILE [--python FILE]] [--software] [names...]\n');
  for (const [name, { about }] of Object.entries(benches)) console.log(`  ${name}: ${about}`);
} else {
  const machine = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', threads: availableParallelism() };
  console.log(`Node ${machine.node}, ${machine.cpu}, ${machine.threads} threads`);
  const options = { torch: values.torch, python: values.python, software: values.software };
  // Peers read it in processes of their own.
  process.env[PYTHON_VARIABLE] = values.python;
  const results: Record<string, Table[]> = {};
  for (const [name, bench] of selected()) {
    const tables: Table[] = (results[name] = []);
    await bench.run((table) => {
      tables.push(table);
      console.log(formatTable(table));
    }, options);
  }
  if (values.json !== undefined) {
    await writeFile(values.json, `${JSON.stringify({ date: new Date().toISOString(), machine, results }, null, 2)}\n`);
  }
}
