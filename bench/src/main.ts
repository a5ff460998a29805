/**
 * `pnpm bench [--json FILE] [--torch FILE] [--software] [--only PART,...] [--page] [names...]`: runs the named
 * benchmarks, or all, and prints their tables.
 */
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { Table } from '@lpr/results';
import { writeResult } from '@lpr/results/node';
import { type Bench, formatTable } from './bench.ts';
import { experts } from './experts.ts';
import { gpu } from './gpu.ts';
import { matmul } from './matmul.ts';
import { mlp } from './mlp.ts';
import { ops } from './ops.ts';
import { ranks } from './ranks.ts';
import { PYTHON_VARIABLE } from './peers/torch.ts';
import { step } from './step.ts';

const benches: Readonly<Record<string, Bench>> = { matmul, ops, mlp, step, experts, ranks, gpu };

const { values, positionals } = parseArgs({
  // pnpm hands "--" on.
  args: process.argv.slice(2).filter((word) => word !== '--'),
  options: {
    json: { type: 'string' },
    torch: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    software: { type: 'boolean', default: false },
    only: { type: 'string' },
    page: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
  allowPositionals: true,
});

function selected(): Bench[] {
  const names = positionals.length > 0 ? positionals : Object.keys(benches);
  return names.map((name) => {
    const bench = benches[name];
    if (!bench) throw new Error(`There is no benchmark "${name}"; there are: ${Object.keys(benches).join(', ')}`);
    return bench;
  });
}

/** What was asked for, without the paths of this machine. */
function command(): string {
  const torch = values.torch === undefined ? [] : ['--torch FILE'];
  const only = values.only === undefined ? [] : [`--only ${values.only}`];
  return ['pnpm bench', ...positionals, ...torch, ...only, ...(values.software ? ['--software'] : [])].join(' ');
}

if (values.page && values.json !== undefined) {
  console.error(
    '--page: the page has a button that saves what its browser measured, so --json has nothing to store; leave it out',
  );
  process.exitCode = 1;
} else if (values.help) {
  console.log(
    'pnpm bench [--json FILE] [--torch FILE [--python FILE]] [--software] [--only PART,...] [--page] [names...]\n',
  );
  for (const [name, { about }] of Object.entries(benches)) console.log(`  ${name}: ${about}`);
} else {
  const machine = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', threads: availableParallelism() };
  console.log(`Node ${machine.node}, ${machine.cpu}, ${machine.threads} threads`);
  const { torch, python, software, only, page } = values;
  const options = { torch, python, software, only, page };
  // Peers read it in processes of their own.
  process.env[PYTHON_VARIABLE] = values.python;
  const tables: Record<string, Table> = {};
  for (const bench of selected()) {
    await bench.run((name, table) => {
      tables[name] = table;
      console.log(formatTable(table));
    }, options);
  }
  if (values.json !== undefined) {
    await writeResult(values.json, {
      kind: 'tables',
      about:
        'Speed of tensors and training steps, beside other libraries or on several ranks, ways of doing the same work in turns.',
      commands: [command()],
      when: new Date().toISOString().slice(0, 10),
      machine,
      tables,
    });
  }
}
