/** AdamW with both moments as bfloat16 numbers in a word, on every device that has it. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assign, parameter, state, tensor } from '../src/creation.ts';
import type { Device } from '../src/devices/device.ts';
import { createGpuDevice } from '../src/devices/gpu/index.ts';
import { createWasmDevice } from '../src/devices/wasm/index.ts';
import { AdamW } from '../src/nn/index.ts';
import { type AdamWSettings, adamWPackedStep } from '../src/ops/optimizer.ts';
import { packMoments, roundingBits, roundingKey, unpackMoments } from '../src/packed-moments.ts';
import { scope } from '../src/scope.ts';
import { noise } from './kernel-device.ts';
import { onEveryDevice } from './support/conformance.ts';

const SETTINGS: AdamWSettings = { learningRate: 3e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, step: 3 };

/** bfloat16 numbers have 8 bits: the distance of those around x, and the one below it in size. */
function grid(x: number): { readonly below: number; readonly distance: number } {
  const distance = 2 ** (Math.floor(Math.log2(Math.abs(x))) - 7);
  return { below: Math.trunc(x / distance) * distance, distance };
}

const bfloat16 = fc
  .tuple(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.boolean())
  .map(([x, negative]) => unpackMoments(packMoments(Float32Array.of(negative ? -x : x), Float32Array.of(0))).first[0]!);

describe('packing', () => {
  it('keeps numbers that are bfloat16', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(bfloat16, bfloat16.map(Math.abs))), (pairs) => {
        const [first, second] = [0, 1].map((i) => Float32Array.from(pairs, (pair) => pair[i]!)) as [
          Float32Array,
          Float32Array,
        ];
        expect(unpackMoments(packMoments(first, second))).toEqual({ first, second });
      }),
    );
  });

  it('takes the nearest number, of two as near the even one, and keeps infinities and NaN', () => {
    const one = (x: number): number => unpackMoments(packMoments(Float32Array.of(x), Float32Array.of(0))).first[0]!;
    fc.assert(
      fc.property(fc.float({ min: 2 ** -100, max: 2 ** 100, noNaN: true }), (x) => {
        const { below, distance } = grid(x);
        expect(Math.abs(one(x) - x)).toBe(Math.min(x - below, below + distance - x));
        expect(one(-x)).toBe(-one(x));
      }),
    );
    expect([1 + 2 ** -8, 1 + 3 * 2 ** -8].map(one)).toEqual([1, 1 + 2 ** -6]);
    expect([Infinity, -Infinity, Number.NaN, 0].map(one)).toEqual([Infinity, -Infinity, Number.NaN, 0]);
    // All bits set: rounding must not make 0 of it.
    expect(one(new Float32Array(Uint32Array.of(0x7fff_ffff).buffer)[0]!)).toBeNaN();
  });

  it('says when the moments are not of one length', () => {
    expect(() => packMoments(new Float32Array(2), new Float32Array(3))).toThrow('got 2 first and 3 second moments');
  });
});

it('draws random bits that are even over steps, and over elements', () => {
  for (const [what, draw] of [
    ['steps', (i: number) => roundingBits(7, roundingKey(i + 1))],
    ['elements', (i: number) => roundingBits(2 ** 32 - 2000 + i, roundingKey(5))],
  ] as const) {
    const bits = Array.from({ length: 4000 }, (_, i) => draw(i));
    for (const half of [bits.map((x) => x & 0xffff), bits.map((x) => x >>> 16)]) {
      const mean = half.reduce((sum, x) => sum + x / 65536, 0) / half.length;
      // Five deviations of the mean of 4,000 even numbers.
      expect(Math.abs(mean - 0.5), what).toBeLessThan(5 / Math.sqrt(12 * 4000));
      expect(new Set(half.map((x) => x >>> 12)).size).toBe(16);
    }
  }
});

/** Parameters of some lengths after a step, with their moments. */
async function stepped(
  device: Device,
  counts: readonly number[],
  settings: AdamWSettings,
  starts = counts.map((_, i) => counts.slice(0, i).reduce((sum, count) => sum + count, 0)),
) {
  return await scope(device, async () => {
    const slots = counts.map((count, i) => ({
      parameter: parameter(device, noise(count, 4 * i + 1), [count]),
      gradient: tensor(device, noise(count, 4 * i + 2), [count]),
      moments: state(device, [count]),
      weightDecay: i % 3 === 0 ? 0 : 0.1 * i,
      start: starts[i]!,
    }));
    const first = counts.map((count, i) => Float32Array.from(noise(count, 4 * i + 3)));
    const second = counts.map((count, i) => Float32Array.from(noise(count, 4 * i + 4), (x) => 0.01 * x * x));
    for (const [i, { moments }] of slots.entries()) assign(moments, packMoments(first[i]!, second[i]!));
    adamWPackedStep(device, slots, { ...settings, gradientScale: tensor(device, [0.37], []) });
    const results = [];
    for (const { parameter, moments } of slots) {
      results.push({ parameter: await parameter.dataF32(), ...unpackMoments(await moments.dataF32()) });
      parameter.dispose();
      moments.dispose();
    }
    return results;
  });
}

const COUNTS = [1, 2, 3, 0, 7, 64, 127, 8191, 8193, 5];

onEveryDevice((device) => {
  const isSupported = (): boolean => !device().description.includes('cpu mode');

  it('follows the definition, with moments rounded up or down as the random bits say', async ({ skip }) => {
    skip(!isSupported());
    const results = await stepped(device(), COUNTS, SETTINGS);
    const { learningRate, beta1, beta2, epsilon, step } = SETTINGS;
    let start = 0;
    let near = 0;
    for (const [i, count] of COUNTS.entries()) {
      const before = unpackMoments(
        packMoments(
          Float32Array.from(noise(count, 4 * i + 3)),
          Float32Array.from(noise(count, 4 * i + 4), (x) => 0.01 * x * x),
        ),
      );
      const [p, g] = [noise(count, 4 * i + 1), noise(count, 4 * i + 2)];
      const decay = i % 3 === 0 ? 0 : 0.1 * i;
      for (let at = 0; at < count; at++) {
        const m = beta1 * before.first[at]! + (1 - beta1) * 0.37 * g[at]!;
        const v = beta2 * before.second[at]! + (1 - beta2) * (0.37 * g[at]!) ** 2;
        const root = Math.sqrt(v / (1 - beta2 ** step)) + epsilon;
        const moved = p[at]! * (1 - learningRate * decay) - (learningRate * (m / (1 - beta1 ** step))) / root;
        expect(Math.abs(results[i]!.parameter[at]! - moved)).toBeLessThan(1e-6 + 1e-6 * Math.abs(moved));
        const bits = roundingBits(start + at, roundingKey(step));
        for (const [exact, actual, random] of [
          [m, results[i]!.first[at]!, (bits & 0xffff) / 65536],
          [v, results[i]!.second[at]!, (bits >>> 16) / 65536],
        ] as const) {
          const { below, distance } = grid(exact);
          const share = Math.abs(exact - below) / distance + random;
          const expected = below + (share >= 1 ? Math.sign(exact) * distance : 0);
          // Where float32 may fall on the other side of 1, either will do.
          if (Math.abs(share - 1) < 2e-3) near++;
          else expect(actual).toBe(expected);
        }
      }
      start += count;
    }
    expect(near).toBeLessThan(start / 50);
  });

  it('does with a part of a parameter what it does with the whole', async ({ skip }) => {
    skip(!isSupported());
    const [whole] = await stepped(device(), [8193], SETTINGS, [1000]);
    const optimizerOf = async (from: number, to: number) =>
      await scope(device(), async () => {
        const part = (values: ArrayLike<number>): Float32Array => Float32Array.from(values).slice(from, to);
        const slot = {
          parameter: parameter(device(), part(noise(8193, 1)), [to - from]),
          gradient: tensor(device(), part(noise(8193, 2)), [to - from]),
          moments: state(device(), [to - from]),
          ...{ weightDecay: 0, start: 1000 + from },
        };
        const second = Float32Array.from(noise(8193, 4), (x) => 0.01 * x * x);
        assign(slot.moments, packMoments(part(noise(8193, 3)), part(second)));
        adamWPackedStep(device(), [slot], { ...SETTINGS, gradientScale: tensor(device(), [0.37], []) });
        const moments = await slot.moments.dataF32();
        slot.parameter.dispose();
        slot.moments.dispose();
        return unpackMoments(moments);
      });
    for (const [from, to] of [
      [0, 4001],
      [4001, 8193],
    ] as const) {
      expect(await optimizerOf(from, to)).toEqual({
        first: whole!.first.slice(from, to),
        second: whole!.second.slice(from, to),
      });
    }
  });

  it('is right in the mean where the nearest number would never change', async ({ skip }) => {
    skip(!isSupported());
    const beta2 = 0.999;
    const count = 2000;
    const second = await scope(device(), async () => {
      const slot = {
        parameter: parameter(device(), new Float32Array(count), [count]),
        gradient: tensor(device(), new Float32Array(count).fill(1.2)),
        moments: state(device(), [count]),
        ...{ weightDecay: 0, start: 0 },
      };
      assign(slot.moments, packMoments(new Float32Array(count), new Float32Array(count).fill(1)));
      for (let step = 1; step <= 200; step++) adamWPackedStep(device(), [slot], { ...SETTINGS, beta2, step });
      const moments = await slot.moments.dataF32();
      slot.parameter.dispose();
      slot.moments.dispose();
      return unpackMoments(moments).second;
    });
    // v tends from 1 to 1.44 by a thousandth a step, far below half a place of bfloat16.
    const expected = 1.44 - 0.44 * beta2 ** 200;
    expect(second.reduce((sum, x) => sum + x, 0) / count).toBeCloseTo(expected, 2);
  });

  it('goes on bit for bit from an exported state, and takes that of float32', async ({ skip }) => {
    skip(!isSupported());
    const leaves = new Map([['leaf', parameter(device(), [1, -1, 0.5], [3])]]);
    const run = async (interrupted: boolean): Promise<number[]> => {
      const leaf = leaves.get('leaf')!;
      assign(leaf, [1, -1, 0.5]);
      let optimizer = new AdamW(device(), leaves, { moments: 'bfloat16' });
      for (let step = 0; step < 6; step++) {
        if (interrupted && step === 3) {
          const moments = await optimizer.exportState();
          optimizer.dispose();
          optimizer = new AdamW(device(), leaves, { moments: 'bfloat16' });
          await optimizer.importState(moments.keys(), (name) => moments.get(name)!.data, 3);
        }
        leaf.grad = tensor(device(), [0.3, -2, 0.01]);
        optimizer.step(0.01).dispose();
      }
      optimizer.dispose();
      return Array.from(await leaf.data());
    };
    const whole = await run(false);
    expect(await run(true)).toEqual(whole);
    const plain = new AdamW(device(), leaves);
    leaves.get('leaf')!.grad = tensor(device(), [0.3, -2, 0.01]);
    plain.step(0.01).dispose();
    const given = await plain.exportState();
    const packed = new AdamW(device(), leaves, { moments: 'bfloat16' });
    await packed.importState(given.keys(), (name) => given.get(name)!.data, 1);
    const taken = await packed.exportState();
    for (const [name, { data }] of given) {
      for (const [i, x] of data.entries()) {
        expect(Math.abs(taken.get(name)!.data[i]! - x)).toBeLessThanOrEqual(2 ** -8 * Math.abs(x));
      }
    }
    for (const owner of [plain, packed, ...leaves.values()]) owner.dispose();
  });
});

it('gives the same bits on any number of threads', async () => {
  const results = [];
  for (const threads of [0, 1, 3]) {
    const device = await createWasmDevice({ threads });
    results.push(await stepped(device, [17_001, 1, 9000], SETTINGS));
    await device.dispose();
  }
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
});

it('says where kernels of a GPU run on the CPU that it does not go', async () => {
  const device = await createGpuDevice({ mode: 'cpu' });
  await expect(stepped(device, [3], SETTINGS)).rejects.toThrow(/bfloat16 need WebGPU.*keep moments in float32/);
  await device.dispose();
});
