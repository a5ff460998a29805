/** `pnpm soak`: the tests that take as long as they are given, files named `*.soak.ts`. */
import { parseArgs } from 'node:util';
import { startVitest } from 'vitest/node';

const HELP = `Usage: pnpm soak [--minutes <n>] [--seed <n>] [<file>...]

Looks for what shows only in the long run: trainings that are killed and damaged at random, again and again, must each end with the same bits
as one that nothing happened to, training must need no more memory however long it goes on, and readers must take any
input by name and in time. Exits with 1 when something is lost.

  --minutes <n>  how long each test goes on (default: 10)
  --seed <n>     decides what happens when (default: the time)
  <file>         only the files whose path has this in it: faults, memory, readers`;

const { values, positionals } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    help: { type: 'boolean', short: 'h', default: false },
  },
  allowPositionals: true,
});
const { minutes, seed } = values;
if (values.help) {
  console.log(HELP);
} else if (!(Number(minutes) > 0) || !/^\d{1,9}$/.test(seed)) {
  console.error(`error: --minutes must be above 0 and --seed a whole number, got ${minutes} and ${seed}`);
  process.exitCode = 1;
} else {
  console.log(`seed ${seed}`);
  Object.assign(process.env, { LPR_SOAK_MINUTES: minutes, LPR_SOAK_SEED: seed });
  const vitest = await startVitest('test', positionals, { config: 'vitest.soak.config.mjs', watch: false });
  await vitest.exit();
}
