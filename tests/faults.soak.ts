/** Errands of the command line that are killed and damaged at random, for as long as asked (`pnpm soak`). */
import { afterAll, expect, it } from 'vitest';
import { cleanUp } from './end-to-end-cli.ts';
import { describe as describeSummary, runLives, totalOf } from './faults/lives.ts';

afterAll(cleanUp);

const [minutes, seed] = [Number(process.env['LPR_SOAK_MINUTES']), Number(process.env['LPR_SOAK_SEED'])];

it('nothing is lost in random kills and faults', async () => {
  const summary = await runLives(60_000 * minutes, seed, (soFar) => console.log(describeSummary(soFar)));
  expect(summary.losses, `seed ${seed}`).toEqual([]);
  expect(totalOf(summary.kills)).toBeGreaterThan(0);
});
