/** Numbers that the host adds up while the device computes. */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createGpuDevice, createWasmDevice, type Device, HostNumbers, tensor } from '../src/index.ts';

const opened: Device[] = [];
afterAll(async () => {
  await Promise.all(opened.map((device) => device.dispose()));
});
async function open(device: Promise<Device>): Promise<Device> {
  opened.push(await device);
  return await device;
}

const devices = [
  ['wasm, in place', () => createWasmDevice({ threads: 0 })],
  ['wasm, with a thread', () => createWasmDevice({ threads: 1 })],
  ['a device whose memory is out of reach', () => createGpuDevice({ mode: 'cpu' })],
] as const;

describe.each(devices)('on %s', (_, create) => {
  it('adds terms in their order, each sum rounded, wherever they lie', async () => {
    const device = await open(create());
    const number = fc.float({ noNaN: true, min: -1e6, max: 1e6 });
    await fc.assert(
      fc.asyncProperty(
        // Around the numbers that are added up at a time, too.
        fc.constantFrom(0, 1, 5, 2047, 2048, 2051, 5000),
        fc.array(fc.constantFrom('host', 'device'), { minLength: 1, maxLength: 5 }),
        fc.nat({ max: 3 }),
        fc.boolean(),
        fc.array(number, { minLength: 7, maxLength: 7 }),
        async (length, places, begin, addsToItself, numbers) => {
          const sum = new HostNumbers(device, begin + length + 2);
          await device.synchronize();
          sum.numbers.fill(0.5);
          const terms = places.map((place, term) => {
            const values = Float32Array.from({ length }, (_, i) => numbers[(i + 3 * term) % 7]! / (i + 1));
            const made = tensor(device, values);
            return { place, values, made, view: device.view(made.buffer) ?? values };
          });
          await device.synchronize();
          const own = sum.numbers.subarray(begin, begin + length);
          sum.setSum(begin, begin + length, [
            ...(addsToItself ? [own] : []),
            ...terms.map(({ place, values, view }) => (place === 'host' ? values : view)),
          ]);
          const all = terms.map(({ values }) => values);
          const expected = Float32Array.from({ length }, (_, i) =>
            [...(addsToItself ? [0.5] : []), ...all.map((values) => values[i]!)].reduce((a, b) => Math.fround(a + b)),
          );
          expect(own).toEqual(expected);
          const whole = await sum.asTensor().dataF32();
          expect([...whole.subarray(0, begin), ...whole.subarray(begin + length)]).toEqual(
            Array.from({ length: begin + 2 }, () => 0.5),
          );
          expect(whole.subarray(begin, begin + length)).toEqual(expected);
          terms.forEach(({ made }) => made.dispose());
          sum.dispose();
        },
      ),
      { numRuns: 40 },
    );
    expect(device.memory.liveBuffers).toBe(0);
  });
});

it('sees its memory through views from before it grew', async () => {
  const device = await open(createWasmDevice({ threads: 0 }));
  const sum = new HostNumbers(device, 4);
  const large = new HostNumbers(device, 2 ** 24);
  sum.numbers.set([1, 2, 3, 4]);
  large.numbers.fill(1, 0, 4);
  sum.setSum(0, 4, [sum.numbers, large.numbers.subarray(0, 4)]);
  expect([...sum.numbers]).toEqual([2, 3, 4, 5]);
});

it('refuses terms of another length, and sums outside of its memory', async () => {
  const device = await createWasmDevice({ threads: 0 });
  opened.push(device);
  const sum = new HostNumbers(device, 4);
  expect(() => sum.setSum(0, 4, [new Float32Array(3)])).toThrow(
    'addOnHost: got terms of 3 numbers, expected one at least, of 4',
  );
  expect(() => sum.setSum(0, 4, [])).toThrow('addOnHost: got terms of no numbers, expected one at least, of 4');
  expect(() => device.addOnHost(new Float32Array(1), [new Float32Array(1)])).toThrow(
    'addOnHost: out must be a view of a buffer of this device',
  );
});
