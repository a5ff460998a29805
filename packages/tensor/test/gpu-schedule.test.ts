/** Which launches run together: none before what it reads, none beyond what a launch binds. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KernelSource, ShaderSource } from '../src/devices/gpu/backend.ts';
import { bindingsOf, type Planned, schedule } from '../src/devices/gpu/schedule.ts';
import { Value } from '../src/devices/gpu/value.ts';

const limits = { buffers: 8, scalars: 256 };

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `b${i}`);

function kernelOf(buffers: number, indices: readonly string[] = []): KernelSource {
  const source = { buffers: names(buffers), integers: [], numbers: [], body: '', width: 1, extents: [1] } as const;
  return { kind: 'kernel', number: 0, ...source, indices };
}

function shaderOf(buffers: number, more: Partial<ShaderSource> = {}): ShaderSource {
  const source = { buffers: names(buffers), integers: [], numbers: [], results: ['out'] };
  return { kind: 'shader', number: 0, ...source, threads: [8, 8], body: '', ...more };
}

function planned(source: Planned['source'], reads: readonly Value[], sizes = [4], integers: number[] = []): Planned {
  const given = { integers, numbers: [], extents: [4], sizes };
  return { source, reads, made: sizes.map((size) => new Value(size)), given, check: () => {} };
}

const sizesOf = (groups: readonly Planned[][]): number[] => groups.map(({ length }) => length);

describe('schedule', () => {
  it('puts launches together that do not depend on one another, though others stand between', () => {
    const x = new Value(4);
    const [a, b] = [planned(kernelOf(1), [x]), planned(kernelOf(1), [x])];
    const [afterA, afterB] = [planned(kernelOf(1), a.made), planned(kernelOf(1), b.made)];
    expect(schedule([a, afterA, b, afterB], limits)).toEqual([
      [a, b],
      [afterA, afterB],
    ]);
  });

  it('keeps to what a launch binds: inputs once, results, and where wrong indices are kept', () => {
    const x = new Value(4);
    const same = Array.from({ length: 8 }, () => planned(kernelOf(1), [x]));
    expect(sizesOf(schedule(same, limits))).toEqual([7, 1]);
    const checked = Array.from({ length: 8 }, () => planned(kernelOf(1, ['b0']), [x]));
    expect(sizesOf(schedule(checked, limits))).toEqual([6, 2]);
    const others = Array.from({ length: 6 }, () => planned(kernelOf(1), [new Value(4)]));
    expect(sizesOf(schedule(others, limits))).toEqual([4, 2]);
    // As vectors, a buffer is bound once more.
    const vectors = planned(shaderOf(1, { vectorsBut: [] }), [x]);
    expect(bindingsOf([same[0]!, vectors])).toEqual({ bound: [x, x], places: [[0], [1]] });
  });

  it('keeps to the scalars of a launch, and to the threads and memory of a workgroup', () => {
    const x = new Value(4);
    const long = planned(kernelOf(1), [x], [4], Array<number>(125).fill(0));
    expect(sizesOf(schedule([long, long], limits))).toEqual([1, 1]);
    const [small, large] = [planned(shaderOf(1), [x]), planned(shaderOf(1, { threads: [16, 16] }), [x])];
    expect(sizesOf(schedule([small, large, planned(kernelOf(1), [x])], limits))).toEqual([2, 1]);
    const [one, other] = ['array<f32, 4>', 'array<f32, 8>'].map((type) =>
      planned(shaderOf(1, { memory: { type } }), [x]),
    );
    expect(sizesOf(schedule([one!, other!, one!, small], limits))).toEqual([2, 1, 1]);
  });

  it('runs large launches alone', () => {
    const x = new Value(4);
    const all = [4, 2 ** 20 + 1, 4].map((size) => planned(kernelOf(1), [x], [size]));
    expect(sizesOf(schedule(all, limits))).toEqual([2, 1]);
  });

  it('loses nothing, and runs nothing before what it reads', () => {
    const graph = fc.array(fc.array(fc.nat(30), { minLength: 1, maxLength: 5 }), { maxLength: 60 });
    fc.assert(
      fc.property(graph, (all) => {
        const given = new Value(4);
        const plan: Planned[] = [];
        for (const back of all) {
          const reads = back.map((far) => plan.at(-1 - far)?.made[0] ?? given);
          plan.push(planned(kernelOf(reads.length), reads));
        }
        const made = new Set([given]);
        const seen = new Set<Planned>();
        for (const group of schedule(plan, limits)) {
          for (const { reads } of group) expect(reads.every((value) => made.has(value))).toBe(true);
          for (const each of group) {
            made.add(each.made[0]!);
            seen.add(each);
          }
          expect(bindingsOf(group).bound.length + group.length).toBeLessThanOrEqual(limits.buffers);
        }
        expect(seen.size).toBe(plan.length);
      }),
    );
  });
});
