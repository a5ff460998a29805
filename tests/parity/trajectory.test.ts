/** Losses of a short training run: optimiser, schedule, and what routers change after each step. */
import { backward, createWasmDevice, scope, tensor } from '@lpr/tensor';
import { learningRateFactor } from '@lpr/train';
import { afterAll, expect, it } from 'vitest';
import { batchOf, decoderOf, optimizerOf } from './decoders.ts';
import { casesOf, Comparison } from './fixtures.ts';
import { scheduleOf } from './schedules.ts';

const device = await createWasmDevice({ threads: 2 });
afterAll(() => device.dispose());

it.for(casesOf('trajectory'))('%s', async ([, fixture]) => {
  const { info } = fixture;
  const decoder = decoderOf(device, fixture);
  const [steps = 0, ...shape] = fixture.get('in.input_ids').shape;
  const ids = fixture.integers('in.input_ids');
  const optimizer = optimizerOf(device, decoder.parameters, info);
  const task: number[] = [];
  const total: number[] = [];
  for (let step = 0; step < steps; step++) {
    const own = <Numbers extends Int32Array | Float32Array>(all: Numbers): Numbers =>
      all.subarray((step * all.length) / steps, ((step + 1) * all.length) / steps) as Numbers;
    await scope(device, async () => {
      const noise = new Map(
        fixture.names('in.eps.').map((layer) => {
          const { shape } = fixture.get(`in.eps.${layer}`);
          return [Number(layer), tensor(device, own(fixture.values(`in.eps.${layer}`)), shape.slice(1))];
        }),
      );
      const output = decoder.forward(batchOf(device, own(ids), own(ids), shape), { training: true, noise });
      backward(output.totalLoss);
      task.push(await output.taskLoss.item());
      total.push(await output.totalLoss.item());
      optimizer.step(info.optimizer.lr * learningRateFactor(scheduleOf(info.schedule), step));
      decoder.afterStep(output.statistics);
    });
  }
  const comparison = new Comparison(fixture);
  comparison.close('out.task_loss', task);
  comparison.close('out.total_loss', total);
  for (const name of fixture.names('out.end.')) {
    comparison.close(`out.end.${name}`, await decoder.buffers.get(name)!.data());
  }
  comparison.reportUncompared();
  expect(comparison.problems).toEqual([]);
  decoder.dispose();
  optimizer.dispose();
  expect(device.memory.liveBuffers).toBe(0);
});
