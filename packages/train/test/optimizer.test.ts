import { createWasmDevice, parameter, type Tensor, tensor, type WasmDevice } from '@lpr/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdamW } from '../src/optimizer.ts';
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

  it('leaves parameters without a gradient alone, and says when none has one', async () => {
    const used = parameter(device, [1, 2], [2]);
    const unused = parameter(device, [3, 4], [2]);
    const optimizer = new AdamW(
      device,
      new Map([
        ['used', used],
        ['unused', unused],
      ]),
    );
    expect(() => optimizer.step(0.1)).toThrow(/no parameter has a gradient/);
    withGradient(used, { data: Float32Array.of(1, 0), shape: [2] });
    optimizer.step(0.1).dispose();
    expect(Array.from(await unused.data())).toEqual([3, 4]);
    const [moved, decayed] = await used.data();
    // The first step moves by the learning rate against the gradient's sign, after the decay of 0.1 x 0.1.
    expect(moved).toBeCloseTo(0.99 - 0.1, 5);
    expect(decayed).toBeCloseTo(1.98, 6);
  });

  it('decays each parameter as the first group that names it says', async () => {
    const values = new Map(
      ['layers.0.norm.weight', 'layers.0.gate.bias', 'layers.0.gate.weight', 'layersX0.gate'].map((name) => [
        name,
        parameter(device, [8], [1]),
      ]),
    );
    const optimizer = new AdamW(device, values, {
      weightDecay: 0.5,
      weightDecayGroups: [
        { names: ['*norm.weight', '*.bias'], weightDecay: 0 },
        { names: ['layers.0.*'], weightDecay: 0.25 },
      ],
    });
    // Without a gradient to speak of, all that a step does is to decay: p (1 - lr * decay).
    for (const value of values.values()) withGradient(value, { data: Float32Array.of(0), shape: [1] });
    optimizer.step(1).dispose();
    const after = await Promise.all(Array.from(values.values(), (value) => value.item()));
    expect(after).toEqual([8, 8, 6, 4]);
    expect(() => new AdamW(device, values, { weightDecayGroups: [{ names: ['*nrom*'], weightDecay: 0 }] })).toThrow(
      /no parameter has one of the names \*nrom\*.*layers\.0\.norm\.weight/,
    );
    for (const value of values.values()) value.dispose();
    optimizer.dispose();
  });

  it('goes on bit for bit from an exported state', async () => {
    const gradient = { data: Float32Array.of(0.3, -2, 0.01), shape: [3] };
    const run = async (interrupted: boolean): Promise<number[]> => {
      const leaf = parameter(device, [1, -1, 0.5], [3]);
      let optimizer = new AdamW(device, new Map([['leaf', leaf]]));
      for (let step = 0; step < 6; step++) {
        if (interrupted && step === 3) {
          const moments = await optimizer.exportState();
          optimizer = new AdamW(device, new Map([['leaf', leaf]]));
          await optimizer.importState(moments.keys(), (name) => moments.get(name)!.data, 3);
        }
        withGradient(leaf, gradient);
        optimizer.step(0.01).dispose();
      }
      return Array.from(await leaf.data());
    };
    expect(await run(true)).toEqual(await run(false));
  });

  it('refuses a state of another model, naming what does not fit', async () => {
    const optimizer = new AdamW(device, new Map([['a', parameter(device, [1], [1])]]));
    const moments = await new AdamW(device, new Map([['b', parameter(device, [1], [1])]])).exportState();
    await expect(optimizer.importState(moments.keys(), (name) => moments.get(name)!.data, 1)).rejects.toThrow(
      /missing: a\.firstMoment.*unknown: b\.firstMoment/,
    );
  });
});
