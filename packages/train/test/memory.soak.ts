/** Memory of training that goes on for as long as asked (`pnpm soak`). */
import { createWasmDevice } from '@lpr/tensor';
import { expect, it } from 'vitest';
import { makeDecoder, makeTrainer, take } from './models.ts';

it.each(['vanilla', 'lpr'] as const)(
  'training with the router %s needs no more memory in 2,000 steps and more than in ten',
  async (router) => {
    // Half of the time for each.
    const end = Date.now() + 30_000 * Number(process.env['LPR_SOAK_MINUTES']);
    const device = await createWasmDevice({ threads: 2 });
    const trainer = makeTrainer(makeDecoder(device, router));
    await take(trainer, 10);
    const { liveBuffers, liveBytes, peakBytes } = device.memory;
    for (let step = 10; step < 2_000 || Date.now() < end; step += 10) await take(trainer, 10);
    expect({ ...device.memory }).toMatchObject({ liveBuffers, liveBytes, peakBytes });
    await device.dispose();
  },
);
