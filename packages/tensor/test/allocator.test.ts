/** The allocator of the wasm device: blocks never overlap, and come back whole. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ALIGNMENT, Allocator, type Block } from '../src/devices/wasm/allocator.ts';

/** An allocator over `[start, start + limit)`, grown in steps of at least `step` bytes. */
function allocatorOf(limit: number, step = 4096, start = 1024): { allocator: Allocator; grownBytes: () => number } {
  let end = start;
  const extend = (wanted: number): number => {
    if (wanted <= start + limit) end = Math.min(start + limit, Math.max(wanted, end + step));
    return end;
  };
  return { allocator: new Allocator(start, extend), grownBytes: () => end - start };
}

describe('Allocator', () => {
  it('never hands out the same byte twice and merges what is freed', () => {
    const bytes = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 100_000 }));
    const step = fc.oneof(
      bytes.map((size) => ({ size })),
      fc.nat().map((victim) => ({ victim })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), fc.nat(), (steps, seed) => {
        const { allocator, grownBytes } = allocatorOf(2 ** 20);
        const live: { block: Block; start: number; end: number }[] = [];
        for (const action of steps) {
          if ('victim' in action) {
            const [freed] = live.splice(action.victim % Math.max(1, live.length), 1);
            if (freed) allocator.free(freed.block);
          } else {
            const block = allocator.allocate(action.size);
            if (block === null) continue;
            const start = block.address * ALIGNMENT;
            const end = start + block.length * ALIGNMENT;
            expect(end - start).toBeGreaterThanOrEqual(Math.max(1, action.size));
            expect(end - start).toBeLessThan(action.size + 2 * ALIGNMENT);
            expect(start).toBeGreaterThanOrEqual(1024);
            expect(end).toBeLessThanOrEqual(1024 + grownBytes());
            for (const other of live) expect(end <= other.start || other.end <= start).toBe(true);
            live.push({ block, start, end });
          }
          expect(allocator.usedBytes).toBe(live.reduce((sum, { start, end }) => sum + end - start, 0));
        }
        for (let left = live.length; left > 0; left--) allocator.free(live.splice(seed % left, 1)[0]!.block);
        expect(allocator.usedBytes).toBe(0);
        expect(allocator.largestFreeBytes()).toBe(grownBytes());
      }),
    );
  });

  it('finds a free block whenever one of twice the length exists', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 2, maxLength: 60 });
    fc.assert(
      fc.property(sizes, fc.nat(), (lengths, seed) => {
        const { allocator, grownBytes } = allocatorOf(2 ** 24);
        const blocks = lengths.map((length) => allocator.allocate(length)!);
        const before = grownBytes();
        for (const [i, block] of blocks.entries()) if ((i + seed) % 2 === 0) allocator.free(block);
        expect(allocator.allocate(allocator.largestFreeBytes() / 2)).not.toBeNull();
        expect(grownBytes()).toBe(before);
      }),
    );
  });

  it('takes the same memory again for the same sizes', () => {
    const { allocator, grownBytes } = allocatorOf(2 ** 24, ALIGNMENT);
    const sizes = Array.from({ length: 200 }, (_, i) => 64 + ((i * 7919) % 50_000));
    const round = (): void => {
      for (const block of sizes.map((size) => allocator.allocate(size)!)) allocator.free(block);
    };
    round();
    const grown = grownBytes();
    for (let i = 0; i < 10; i++) round();
    expect(grownBytes()).toBe(grown);
  });

  it('gives null when the memory is used up, and works again after a free', () => {
    const { allocator } = allocatorOf(1000 * ALIGNMENT);
    const half = allocator.allocate(500 * ALIGNMENT)!;
    const other = allocator.allocate(500 * ALIGNMENT)!;
    expect(allocator.allocate(1)).toBeNull();
    allocator.free(half);
    expect(allocator.allocate(501 * ALIGNMENT)).toBeNull();
    expect(allocator.allocate(500 * ALIGNMENT)?.address).toBe(half.address);
    allocator.free(other);
    expect(allocator.largestFreeBytes()).toBe(500 * ALIGNMENT);
  });

  it('addresses all of 4 GiB', () => {
    const { allocator } = allocatorOf(2 ** 32 - 1024, 2 ** 24);
    const blocks = Array.from({ length: 3 }, () => allocator.allocate(2 ** 30)!);
    expect(blocks.map((block) => block.address * ALIGNMENT)).toEqual([1024, 1024 + 2 ** 30, 1024 + 2 ** 31]);
    expect(allocator.allocate(2 ** 30)).toBeNull();
    for (const block of blocks) allocator.free(block);
    expect(allocator.allocate(3 * 2 ** 30)?.address).toBe(1024 / ALIGNMENT);
  });
});
