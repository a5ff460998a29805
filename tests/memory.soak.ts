/** Memory of training that goes on for as long as asked (`pnpm soak`). */
import { createWasmDevice } from '@lpr/tensor';
import { expect, it } from 'vitest';
import { makeDecoder, makeTrainer, take } from '../packages/train/test/models.ts';
import { recordSoak, soakOf } from './soak/record.ts';

const ROUTERS = ['vanilla', 'lpr'] as const;
const { minutes } = soakOf();

/** That the resident size may grow by from the second third of the time to the last: what a collector leaves. */
const SPARE_BYTES = 2 ** 27;

it.each(ROUTERS)(
  'training with the router %s needs no more memory in 2,000 steps and more than in ten',
  async (router) => {
    const milliseconds = (60_000 * minutes) / ROUTERS.length;
    const device = await createWasmDevice({ threads: 2 });
    const trainer = makeTrainer(makeDecoder(device, router));
    await take(trainer, 10);
    const { liveBuffers, liveBytes, peakBytes } = device.memory;
    const start = Date.now();
    // The least of each third: above it lies what is not collected yet.
    const resident = [Infinity, Infinity, Infinity];
    let steps = 10;
    for (let passed = 0; steps < 2_000 || passed < milliseconds; passed = Date.now() - start, steps += 10) {
      await take(trainer, 10);
      const third = Math.min(Math.floor(3 * Math.max(steps / 2_000, passed / milliseconds)), 2);
      resident[third] = Math.min(resident[third]!, process.memoryUsage.rss());
    }
    const grown = Number.isFinite(resident[1]) && resident[2]! > resident[1]! + SPARE_BYTES;
    console.log(`${router}: ${steps} steps, ${resident.map((bytes) => Math.round(bytes / 2 ** 20)).join(', ')} MiB`);
    recordSoak([
      {
        what: `steps of training with the router ${router}, in flat memory`,
        count: steps,
        minutes: minutes / ROUTERS.length,
        lost: Number(grown),
      },
    ]);
    expect({ ...device.memory }).toMatchObject({ liveBuffers, liveBytes, peakBytes });
    expect(grown, `resident bytes by thirds: ${resident.join(', ')}`).toBe(false);
    await device.dispose();
  },
);
