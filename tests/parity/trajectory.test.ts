import { backward, createWasmDevice, scope, tensor } from '@lpr/tensor';
import { afterAll, describe, expect, it } from 'vitest';
import { batchOf, decoderOf } from './decoders.ts';
import { casesOf, Comparison, Fixture, missing, reasonToSkip } from './fixtures.ts';
import { AdamW } from './optimize.ts';

const device = await createWasmDevice({ threads: 2 });
afterAll(() => device.dispose());

const cases = casesOf((kind) => kind === 'trajectory');

it('finds the fixtures', ({ skip }) => {
  skip(cases.length === 0, missing);
  expect(cases).not.toEqual([]);
});

describe.skipIf(cases.length === 0)('losses of a short training run as in PyTorch', () => {
  it.for(cases.map((info) => [info.case, info] as const))('%s', async ([, info], { skip }) => {
    const reason = reasonToSkip(info);
    skip(reason !== null, reason ?? '');
    const fixture = new Fixture(info);
    const decoder = decoderOf(device, fixture);
    const [steps = 0, ...shape] = fixture.get('in.input_ids').shape;
    const ids = fixture.integers('in.input_ids');
    const size = ids.length / steps;
    const optimizer = new AdamW(device, decoder.parameters.values(), info.optimizer);
    const task: number[] = [];
    const total: number[] = [];
    for (let step = 0; step < steps; step++) {
      await scope(device, async () => {
        const own = ids.subarray(step * size, (step + 1) * size);
        const noise = new Map(
          fixture.names('in.eps.').map((layer) => {
            const eps = fixture.get(`in.eps.${layer}`);
            const length = eps.data.length / steps;
            const values = fixture.values(`in.eps.${layer}`).subarray(step * length, (step + 1) * length);
            return [Number(layer), tensor(device, values, eps.shape.slice(1))];
          }),
        );
        const output = decoder.forward(batchOf(device, own, own, shape), { training: true, noise });
        backward(output.totalLoss);
        task.push(await output.taskLoss.item());
        total.push(await output.totalLoss.item());
      });
      await optimizer.step(info.optimizer.lr * warmupStableDecay(step, info['schedule'] as Schedule));
    }
    const comparison = new Comparison(fixture);
    comparison.close('out.task_loss', task);
    comparison.close('out.total_loss', total);
    expect(comparison.problems).toEqual([]);
    decoder.dispose();
    optimizer.dispose();
    expect(device.memory.liveBuffers).toBe(0);
  });
});

interface Schedule {
  readonly warmup_steps: number;
  readonly stable_steps: number;
  readonly decay_steps: number;
  readonly min_lr_ratio: number;
}

/** Linear warm-up, constant, cosine decay; from and down to the smallest ratio. */
function warmupStableDecay(step: number, schedule: Schedule): number {
  const { warmup_steps: warmup, stable_steps: stable, decay_steps: decay, min_lr_ratio: least } = schedule;
  if (step >= warmup && step < warmup + stable) return 1;
  const factor = step < warmup ? step / warmup : 0.5 * (1 + Math.cos((Math.PI * (step - warmup - stable)) / decay));
  return factor * (1 - least) + least;
}
