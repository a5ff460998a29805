/** The gated linear unit against plain float64 code; its backward against difference quotients of that code. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builds, type KernelDevice, noise, openDevice } from './kernel-device.ts';
import { expectClose, rowsOf, SHAPES } from './support/rows.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

describe.each(builds)('gated linear units, %s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(1, relaxedSimd);
  });
  afterAll(() => device.close());

  describe('swiGlu', () => {
    it.each(SHAPES)('[%i, %i] forward and backward', async (rows, width) => {
      const x = noise(2 * rows * width, 1).map((v) => 6 * v);
      const gradient = noise(rows * width, 2);
      const [xs, out, gradX] = [device.f32(x), device.empty(rows * width), device.empty(x.length)];
      device.kernels.swiGlu({ x: xs, out, rows, width });
      device.kernels.swiGluBackward({ x: xs, gradient: device.f32(gradient), gradX, rows, width });
      const expected: number[] = [];
      const expectedGradient: number[] = [];
      for (const [r, row] of rowsOf(x, rows, 2 * width).entries()) {
        const [gate, up] = [row.slice(0, width), row.slice(width)];
        const g = gradient.subarray(r * width, (r + 1) * width);
        expected.push(...gate.map((v, i) => v * sigmoid(v) * up[i]!));
        const slope = (v: number): number => ((v + 1e-5) * sigmoid(v + 1e-5) - (v - 1e-5) * sigmoid(v - 1e-5)) / 2e-5;
        expectedGradient.push(...gate.map((v, i) => g[i]! * up[i]! * slope(v)));
        expectedGradient.push(...gate.map((v, i) => g[i]! * v * sigmoid(v)));
      }
      expectClose(await device.readF32(out), expected, 5e-7);
      expectClose(await device.readF32(gradX), expectedGradient, 5e-7);
    });

    it('of large gates is the plain product or 0', async () => {
      const out = device.empty(3);
      device.kernels.swiGlu({ x: device.f32([1e4, -1e4, 100, 2, 2, -3]), out, rows: 1, width: 3 });
      expect(Array.from(await device.readF32(out), (v) => v + 0)).toEqual([2e4, 0, -300]);
    });
  });
});
