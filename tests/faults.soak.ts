/** Errands of the command line that are killed and damaged at random, for as long as asked (`pnpm soak`). */
import { afterAll, expect, it } from 'vitest';
import { cleanUp } from './end-to-end-cli.ts';
import { recordSoak, soakOf } from './soak/record.ts';
import { describe as describeSummary, runLives, totalOf } from './faults/lives.ts';

afterAll(cleanUp);

const { minutes, seed } = soakOf();

it('nothing is lost in random kills and faults', async () => {
  const summary = await runLives(60_000 * minutes, seed, (soFar) => console.log(describeSummary(soFar)));
  const { kills, killsDuringWrites, faults, losses } = summary;
  const counts = {
    ...Object.fromEntries(Object.entries(kills).map(([errand, count]) => [`kills of ${errand}`, count])),
    'of these while a checkpoint was written': killsDuringWrites,
    'disks full, and files of a run or the cache damaged': totalOf(faults),
    'errands brought to their end': summary.lives,
  };
  // Whose doing a loss is, nobody knows.
  const lost = losses.length;
  recordSoak(Object.entries(counts).map(([what, count]) => ({ what, count, minutes, lost })));
  expect(losses, `seed ${seed}`).toEqual([]);
  expect(totalOf(kills)).toBeGreaterThan(0);
});
