/** The pool of buffers: hands out what it kept, and keeps no more than was in use. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BufferPool, type Pooled, roundedSize } from '../src/devices/gpu/buffer-pool.ts';

/** A pool over buffers that only count. */
function countedPool(spareBytes = 0): { pool: BufferPool<Pooled>; alive: Map<Pooled, number>; made: () => number } {
  const alive = new Map<Pooled, number>();
  let made = 0;
  const pool = new BufferPool<Pooled>((bytes) => {
    const buffer = {
      number: made++,
      destroy: () => expect(alive.delete(buffer), 'destroyed twice').toBe(true),
    };
    alive.set(buffer, bytes);
    return buffer;
  }, spareBytes);
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

it('hands out the lowest number first, whatever the order of releases', () => {
  const { pool } = countedPool();
  const [a, b, c] = [pool.take(16), pool.take(16), pool.take(16)];
  for (const buffer of [b, c, a]) pool.give(buffer, 16);
  expect([pool.take(16), pool.take(16), pool.take(16)]).toEqual([a, b, c]);
});

it('keeps spare bytes beyond the most that was in use', () => {
  const { pool, alive } = countedPool(16);
  const a = pool.take(16);
  pool.give(a, 16);
  const b = pool.take(20);
  expect([alive.has(a), alive.has(b)]).toEqual([true, true]);
});

it('rounds sizes up by an eighth at most, to few', () => {
  expect([1, 256, 257, 4096, 4097, 10_000].map(roundedSize)).toEqual([256, 256, 512, 4096, 4608, 10_240]);
  for (const bytes of [3000, 70_001, 2 ** 30 + 4]) expect(roundedSize(bytes) / bytes).toBeLessThan(1.13);
});

it('never holds more than the most that was in use, nor hands a buffer out twice', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ size: fc.integer({ min: 1, max: 6 }), drop: fc.nat(9) }), { maxLength: 200 }),
      (steps) => {
        const { pool, alive } = countedPool();
        const used: { buffer: Pooled; bytes: number }[] = [];
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
