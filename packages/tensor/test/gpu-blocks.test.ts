/**
 * The gpu device where one block holds little: attention goes over the batch in slabs, the optimiser writes part by
 * part.
 */
import { expect, it } from 'vitest';
import { ones, tensor } from '../src/creation.ts';
import type { Device } from '../src/devices/device.ts';
import { createCpuBackend } from '../src/devices/gpu/backend-cpu.ts';
import { LauncherDevice } from '../src/devices/gpu/device.ts';
import { loadGpuJs } from '../src/devices/gpu/gpujs.ts';
import { Launcher } from '../src/devices/gpu/launcher.ts';
import { createWasmDevice } from '../src/devices/wasm/index.ts';
import { adamWStep } from '../src/ops/optimizer.ts';
import { scope } from '../src/scope.ts';
import { suites } from './conformance/index.ts';
import { noise } from './support/array.ts';
import { checkOp, expectClose } from './support/check.ts';

const gpuJs = (await loadGpuJs())!;
const open = (largestBlock: number): Device =>
  new LauncherDevice(new Launcher({ ...createCpuBackend(gpuJs), largestBlock }));

it('attention over a batch that does not fit', async () => {
  const gpu = open(512);
  const { awkward, gradients } = suites.causalAttention;
  const fitting = awkward.filter(({ inputs }) => inputs.every(({ data }) => data.length <= 512));
  expect(fitting.length).toBeGreaterThan(5);
  for (const testCase of fitting) await checkOp(gpu, testCase, gradients);
  await gpu.dispose();
});

it.each([
  ['of more than fits', 200],
  ['that read what the one before wrote as one block', 2 ** 20],
])('optimiser steps %s', async (_, largestBlock) => {
  const steps = async (device: Device): Promise<Float32Array[]> =>
    await scope(device, async () => {
      const slots = [5, 0, 130, 64, 1, 7, 33, 12].map((count, i) => ({
        parameter: tensor(device, [...noise([count], i + 1).data]),
        gradient: tensor(device, [...noise([count], i + 9).data]),
        firstMoment: ones(device, [count]),
        secondMoment: ones(device, [count]),
        weightDecay: 0.1 * i,
      }));
      // The last one leaves some out.
      for (const [i, taken] of [slots, slots, slots.slice(2, 5)].entries()) {
        adamWStep(device, taken, { learningRate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, step: i + 1 });
      }
      const written = slots.flatMap((slot) => [slot.parameter, slot.firstMoment, slot.secondMoment]);
      return (await Promise.all(written.map((x) => x.data()))) as Float32Array[];
    });
  const [wasm, gpu] = [await createWasmDevice({ threads: 0 }), open(largestBlock)];
  const [expected, actual] = [await steps(wasm), await steps(gpu)];
  for (const [i, values] of actual.entries()) expectClose(values, expected[i]!, 1e-6);
  await wasm.dispose();
  await gpu.dispose();
});
