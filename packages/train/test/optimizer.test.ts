/** The optimiser under a schedule, held to PyTorch. */
import { createWasmDevice, parameter, type Tensor, tensor, type WasmDevice } from '@lpr/tensor';
import { AdamW } from '@lpr/tensor/nn';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { learningRateFactor } from '../src/schedule.ts';
import { fixtureJson, type FixtureTensor, fixtureTensors, haveFixtures } from './fixtures.ts';

let device: WasmDevice;
beforeAll(async () => {
  device = await createWasmDevice({ threads: 1 });
});
afterAll(async () => await device.dispose());

/** A leaf with the given gradient, as `backward` leaves it. */
function withGradient(leaf: Tensor, { data, shape }: FixtureTensor): void {
  leaf.grad = tensor(device, data, shape);
}

/** The fixtures' rule: bounds are relative to the largest element of the tensor. */
function expectClose(actual: ArrayLike<number>, expected: Float32Array, atol: number, rtol: number): void {
  const bound = atol + rtol * Math.max(...expected.map(Math.abs));
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(Math.abs(actual[i]! - value)).toBeLessThanOrEqual(bound);
}

describe('AdamW', () => {
  it.skipIf(!haveFixtures)('takes the steps of PyTorch: clipping, decay, both moments', async () => {
    const { steps, schedule } = fixtureJson('adamw-steps') as {
      steps: number;
      schedule: { warmup_steps: number; stable_steps: number; decay_steps: number; min_lr_ratio: number };
    };
    const tensors = fixtureTensors('adamw-steps');
    const names = ['b', 's', 't', 'u', 'w'];
    const parameters = new Map(
      names.map((name) => {
        const { data, shape } = tensors.get(`in.param.${name}`)!;
        return [name, parameter(device, data, shape)];
      }),
    );
    const optimizer = new AdamW(device, parameters);
    for (let step = 0; step < steps; step++) {
      for (const name of names) withGradient(parameters.get(name)!, tensors.get(`in.grad.${name}.${step}`)!);
      const factor = learningRateFactor(
        {
          warmupSteps: schedule.warmup_steps,
          stableSteps: schedule.stable_steps,
          decaySteps: schedule.decay_steps,
          decay: 'cosine',
          minRatio: schedule.min_lr_ratio,
        },
        step,
      );
      const norm = optimizer.step(1e-3 * factor);
      expectClose([await norm.item()], tensors.get(`out.grad_norm.${step}`)!.data, 0, 2e-6);
      norm.dispose();
      const moments = await optimizer.exportState();
      for (const name of names) {
        expectClose(await parameters.get(name)!.data(), tensors.get(`out.param.${name}.${step}`)!.data, 2e-7, 1e-6);
        expectClose(moments.get(`${name}.firstMoment`)!.data, tensors.get(`out.m.${name}.${step}`)!.data, 0, 2e-6);
        expectClose(moments.get(`${name}.secondMoment`)!.data, tensors.get(`out.v.${name}.${step}`)!.data, 0, 2e-6);
        expect(parameters.get(name)!.grad).toBeNull();
      }
    }
    optimizer.dispose();
    for (const leaf of parameters.values()) leaf.dispose();
    expect(device.memory.liveBuffers).toBe(0);
  });
});
