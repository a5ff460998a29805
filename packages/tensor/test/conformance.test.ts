/** Every op on every device of this machine: the conformance suite. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../src/devices/device.ts';
import type { Kernels } from '../src/devices/kernels/index.ts';
import { createWasmDevice } from '../src/devices/wasm/index.ts';
import * as api from '../src/index.ts';
import { checks, NOT_OPS, opNames, suites } from './conformance/index.ts';
import { bitsOf } from './support/check.ts';
import { onEveryDevice } from './support/conformance.ts';

/** Notes which kernels are called. */
function watch(device: Device): Set<string> {
  const called = new Set<string>();
  const kernels = new Proxy(device.kernels, {
    get: (target, name) => {
      called.add(String(name));
      return target[name as keyof Kernels];
    },
  });
  Object.assign(device, { kernels });
  return called;
}

it('has a suite for every export that is an op', () => {
  expect([...opNames, ...NOT_OPS].toSorted()).toEqual(Object.keys(api).toSorted());
});

it.each(opNames)('%s has cases of every kind', (name) => {
  const { awkward, extreme, gradients } = suites[name];
  expect(awkward.length).toBeGreaterThan(3);
  expect(extreme.length).toBeGreaterThan(0);
  expect(gradients === 'checked' && awkward.every(({ untracked }) => untracked)).toBe(false);
});

onEveryDevice((device) => {
  let called: Set<string>;
  beforeAll(() => {
    called = watch(device());
  });

  describe.each(opNames)('%s', (name) => {
    it.each(checks(name, 6))('$title', async ({ run }) => {
      await expect(run(device())).resolves.toBeUndefined();
    });
  });

  it('has run every kernel of the list', () => {
    // Not on every device, and by chance: packed-moments.test.ts has it.
    const others = Object.keys(device().kernels).filter((kernel) => kernel !== 'adamWPacked');
    expect([...called].toSorted()).toEqual(others.toSorted());
  });
});

describe.each(['auto', false] as const)('wasm with relaxed SIMD %s', { timeout: 60_000 }, (relaxedSimd) => {
  const devices: Device[] = [];
  beforeAll(async () => {
    for (const threads of [0, 1, 2, 3]) devices.push(await createWasmDevice({ threads, relaxedSimd }));
  });
  afterAll(async () => {
    await Promise.all(devices.map((device) => device.dispose()));
  });

  it.each(opNames)('%s gives the same bits on any number of threads', async (name) => {
    const { awkward, gradients } = suites[name];
    for (const testCase of awkward) {
      const [inPlace, ...others] = await Promise.all(devices.map((device) => bitsOf(device, testCase, gradients)));
      for (const bits of others) {
        expect(bits.map((part, i) => Buffer.from(part).equals(inPlace![i]!))).toEqual(inPlace!.map(() => true));
      }
    }
  });
});
