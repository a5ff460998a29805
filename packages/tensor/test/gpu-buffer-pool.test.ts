/** The pool of buffers: hands out what it kept, and keeps no more than was in use. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BufferPool } from '../src/devices/gpu/buffer-pool.ts';
import type { WebGpuBuffer } from '../src/devices/gpu/webgpu.ts';

/** A pool over buffers that only count. */
function countedPool(): { pool: BufferPool; alive: Map<WebGpuBuffer, number>; made: () => number } {
  const alive = new Map<WebGpuBuffer, number>();
  let made = 0;
  const pool = new BufferPool((bytes) => {
    made++;
    const buffer: WebGpuBuffer = {
      getMappedRange: () => new ArrayBuffer(0),
      mapAsync: () => Promise.resolve(),
      unmap: () => {},
      destroy: () => expect(alive.delete(buffer), 'destroyed twice').toBe(true),
    };
    alive.set(buffer, bytes);
    return buffer;
  });
  return { pool, alive, made: () => made };
}

it('hands out what was given back, of the same size only', () => {
  const { pool, made } = countedPool();
  const [a, b] = [pool.take(16), pool.take(32)];
  pool.give(a, 16);
  expect(pool.take(16)).toBe(a);
  pool.give(b, 32);
  pool.give(a, 16);
  expect(pool.take(16)).toBe(a);
  expect(made()).toBe(2);
});

it('lets go of what was released longest ago first', () => {
  const { pool, alive } = countedPool();
  const [a, b] = [pool.take(16), pool.take(20)];
  pool.give(a, 16);
  pool.give(b, 20);
  pool.take(8);
  expect([alive.has(a), alive.has(b)]).toEqual([false, true]);
});

it('destroys everything in the end', () => {
  const { pool, alive } = countedPool();
  const [a] = [pool.take(16), pool.take(20)];
  pool.give(a, 16);
  pool.destroy();
  expect(alive.size).toBe(0);
});

it('never holds more than the most that was in use, nor hands a buffer out twice', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ size: fc.integer({ min: 1, max: 6 }), drop: fc.nat(9) }), { maxLength: 200 }),
      (steps) => {
        const { pool, alive } = countedPool();
        const used: { buffer: WebGpuBuffer; bytes: number }[] = [];
        let peak = 0;
        const total = (sizes: Iterable<number>): number => [...sizes].reduce((a, b) => a + b, 0);
        for (const { size, drop } of steps) {
          if (drop < 5 && used.length > 0) {
            const [{ buffer, bytes }] = used.splice(drop % used.length, 1) as [(typeof used)[number]];
            pool.give(buffer, bytes);
          } else {
            const buffer = pool.take(4 * size);
            expect(used.some((each) => each.buffer === buffer)).toBe(false);
            expect(alive.get(buffer)).toBe(4 * size);
            used.push({ buffer, bytes: 4 * size });
          }
          peak = Math.max(peak, total(used.map(({ bytes }) => bytes)));
          expect(total(alive.values())).toBeLessThanOrEqual(peak);
        }
      },
    ),
  );
});
