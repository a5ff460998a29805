/** Modules: whose parameters are trained, and what belongs to a step. */
import { afterEach, expect, it } from 'vitest';
import { assign, parameter, state } from '../src/creation.ts';
import { createWasmDevice } from '../src/devices/wasm/index.ts';
import { type Module, parametersOf, Training } from '../src/nn/index.ts';
import { add, square, subtract } from '../src/ops/elementwise.ts';
import { sum } from '../src/ops/reduce.ts';

const device = await createWasmDevice({ threads: 0 });
afterEach(() => {
  if (device.memory.liveBuffers !== 0) throw new Error('memory stayed taken');
});

it('names the parameters of modules below them, and single ones as they are', () => {
  const [weight, bias] = [parameter(device, [1, 2], [2]), parameter(device, [3], [1])];
  const names = parametersOf({ layer: { parameters: new Map([['gate.weight', weight]]) }, bias });
  expect([...names]).toEqual([
    ['layer.gate.weight', weight],
    ['bias', bias],
  ]);
  weight.dispose();
  bias.dispose();
});

it('steps down the gradient, lets modules follow after the optimiser, and frees what it made', async () => {
  const [weight, shift, seen] = [parameter(device, [4], [1]), parameter(device, [2], [1]), state(device, [1])];
  const layer: Module = {
    parameters: new Map([['weight', weight]]),
    afterStep: () => assign(seen, weight),
  };
  const training = new Training(device, { layer, shift }, { weightDecay: 0 });
  const before = device.memory.liveBuffers;
  const losses: number[] = [];
  for (let step = 0; step < 60; step++) {
    losses.push(await training.step(0.1, () => sum(square(subtract(add(weight, shift), 1)))));
  }
  expect(losses[0]).toBe(25);
  expect(losses.at(-1)).toBeLessThan(0.5);
  expect(training.optimizer.steps).toBe(60);
  expect(await seen.dataF32()).toEqual(await weight.dataF32());
  expect(device.memory.liveBuffers).toBe(before);
  for (const each of [training, weight, shift, seen]) each.dispose();
});
