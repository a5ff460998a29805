/**
 * Every router on the GPU device's kernels, run by gpu.js on the CPU, does what it does on the wasm device: choices,
 * weights, losses, gradients and updates.
 */
import { expertParameters, MoeLayer, statisticsOf } from '@lpr/moe';
import { contextOf, disposeRouter, makeRouter } from '@lpr/moe/testing';
import {
  add,
  affine,
  backward,
  createGpuDevice,
  createWasmDevice,
  type Device,
  multiply,
  parameter,
  RandomKey,
  scope,
  sum,
} from '@lpr/tensor';
import { createParameters } from '@lpr/tensor/nn';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { type RouterCase, routerCases } from './routers.ts';

vi.setConfig({ testTimeout: 60_000 });

const devices = [await createWasmDevice({ threads: 1 }), await createGpuDevice({ mode: 'cpu' })];
afterAll(() => Promise.all(devices.map((device) => device.dispose())));

const hidden = 6;
const experts = 4;
const x = Array.from({ length: 10 }, (_, t) =>
  Array.from({ length: hidden }, (__, i) => 2 * Math.sin(1 + 3 * t + 7 * i * i)),
);

/** All that a training step gives, under names. */
async function stepOn(device: Device, { options }: RouterCase): Promise<Map<string, number[]>> {
  const router = makeRouter(device, options, { hidden, experts, topK: 2 }, 8);
  const shape = { hidden, experts, width: 3 };
  const weights = createParameters(device, expertParameters(shape), RandomKey.fromSeed(1));
  const read = new Map<string, number[]>();
  await scope(device, async () => {
    const input = parameter(device, x.flat(), [x.length, hidden]);
    const { output, routing } = new MoeLayer(router, weights).forward(input, contextOf(device, x, true));
    const terms = routing.losses.map(({ value, weight }) => affine(value, weight));
    backward(terms.reduce((total, term) => add(total, term), sum(multiply(output, output))));
    router.afterStep(statisticsOf(routing));
    const named = {
      experts: routing.experts,
      weights: routing.weights,
      counts: routing.counts,
      output,
      ...Object.fromEntries(routing.losses.map(({ name, value }) => [name, value])),
    };
    for (const [name, each] of [...Object.entries(named), ...router.buffers, ...router.parameters]) {
      read.set(name, Array.from(await each.data()));
    }
    for (const [name, { grad }] of [...weights, ...router.parameters, ['x', input] as const]) {
      if (grad !== null) read.set(`gradient of ${name}`, Array.from(await grad.data()));
    }
    input.dispose();
  });
  disposeRouter(router);
  weights.forEach((each) => each.dispose());
  return read;
}

describe.for(routerCases.map((routerCase) => [routerCase.name, routerCase] as const))('%s', ([, routerCase]) => {
  it('does on the GPU kernels what it does on wasm', async () => {
    const [expected, got] = [await stepOn(devices[0]!, routerCase), await stepOn(devices[1]!, routerCase)];
    expect([...got.keys()]).toEqual([...expected.keys()]);
    for (const [name, values] of expected) {
      const largest = Math.max(1e-3, ...values.map(Math.abs));
      const off = Math.max(0, ...values.map((value, i) => Math.abs(value - got.get(name)![i]!)));
      expect(off / largest, name).toBeLessThan(1e-3);
    }
  });
});
