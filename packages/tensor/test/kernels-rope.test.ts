/** Rotary position embedding against plain float64 code. */
import { afterAll, beforeAll, describe, it } from 'vitest';
import { builds, type KernelDevice, noise, openDevice } from './kernel-device.ts';
import { expectClose, rowsOf } from './support/rows.ts';

describe.each(builds)('rotary position embedding, %s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(1, relaxedSimd);
  });
  afterAll(() => device.close());

  describe('rope', () => {
    const CASES = [
      { batch: 1, sequence: 1, heads: 1, headDim: 2, offset: 0 },
      { batch: 2, sequence: 5, heads: 3, headDim: 6, offset: 0 },
      { batch: 2, sequence: 7, heads: 1, headDim: 8, offset: 3 },
      { batch: 1, sequence: 40, heads: 4, headDim: 64, offset: 9 },
      { batch: 3, sequence: 3, heads: 2, headDim: 34, offset: 1 },
      { batch: 2, sequence: 0, heads: 2, headDim: 8, offset: 1 },
    ];
    describe.each([false, true])('interleaved %s', (interleaved) => {
      it.each(CASES)('batch $batch, $sequence x $heads x $headDim from $offset', async (shape) => {
        const { batch, sequence, heads, headDim, offset } = shape;
        const half = headDim / 2;
        const angle = (position: number, i: number): number => position * 10_000 ** (-i / half);
        const table = (f: (x: number) => number): Float32Array =>
          Float32Array.from({ length: (offset + sequence) * half }, (_, i) => f(angle(Math.floor(i / half), i % half)));
        const x = noise(batch * sequence * heads * headDim, 1);
        const shared = {
          ...{ cos: device.f32(table(Math.cos)), sin: device.f32(table(Math.sin)) },
          ...{ batch, sequence, heads, headDim, offset, interleaved },
        };
        const [out, back] = [device.empty(x.length), device.empty(x.length)];
        device.kernels.rope({ x: device.f32(x), out, ...shared, inverse: false });
        device.kernels.rope({ x: out, out: back, ...shared, inverse: true });
        const expected = rowsOf(x, batch * sequence * heads, headDim).flatMap((row, r) => {
          const position = offset + (Math.floor(r / heads) % sequence);
          const rotated = Array<number>(headDim);
          for (let i = 0; i < half; i++) {
            const [a, b] = interleaved ? [row[2 * i]!, row[2 * i + 1]!] : [row[i]!, row[i + half]!];
            const [c, s] = [Math.cos(angle(position, i)), Math.sin(angle(position, i))];
            rotated[i] = a * c - b * s;
            rotated[i + half] = b * c + a * s;
          }
          return rotated;
        });
        expectClose(await device.readF32(out), expected, 3e-7);
        // The inverse of a rotation is its transpose.
        expectClose(await device.readF32(back), x, 5e-7);
      });
    });
  });
});
