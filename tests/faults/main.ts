/**
 * Kills and damages training runs at random for as long as asked, and says what was lost:
 *
 *     pnpm --filter ./tests faults --minutes 120
 */
import { parseArgs } from 'node:util';
import { removeCache } from '../end-to-end-cli.ts';
import { describe, runLives } from './lives.ts';

const HELP = `Usage: pnpm --filter ./tests faults [--minutes <n>] [--seed <n>]

Trains a small model once undisturbed, then again and again while the process is killed and its files are damaged at random.
Each run must end with the same bits. Exits with 1 when one did not.

  --minutes <n>  how long (default: 10)
  --seed <n>     decides what happens when (default: the time)`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
if (values.help) {
  console.log(HELP);
} else if (!(minutes > 0) || !Number.isSafeInteger(seed) || seed < 0) {
  console.error(`error: --minutes must be above 0 and --seed a whole number, got ${values.minutes} and ${values.seed}`);
  process.exitCode = 1;
} else {
  console.log(`seed ${seed}`);
  try {
    const summary = await runLives(60_000 * minutes, seed, (soFar) => console.log(describe(soFar)));
    console.log(describe(summary));
    if (summary.losses.length > 0) process.exitCode = 1;
  } finally {
    removeCache();
  }
}
