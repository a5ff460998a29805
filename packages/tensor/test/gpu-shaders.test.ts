/**
 * The WGSL that gpu.js makes for every op, checked on any machine by Dawn's null backend, which validates shaders,
 * layouts and launches but computes nothing. And what gpu.js would get silently wrong: loops that end after 1000
 * rounds, and indices that pass through f32.
 */
import { afterAll, beforeAll, describe, expect, it, type MockInstance, vi } from 'vitest';
import { create } from 'webgpu';
import type { GpuDevice } from '../src/devices/gpu/index.ts';
import type { WebGpuAdapter } from '../src/devices/gpu/webgpu.ts';
import { concatenate, multiply, ones, scope, square, sum, tensor, transpose } from '../src/index.ts';
import { opNames, suites } from './conformance/index.ts';
import { bitsOf } from './support/check.ts';
import { openWebGpu } from './support/webgpu.ts';

/** Validates, and computes nothing; gpu.js looks whether there is WebGPU. */
const nothing = create(['backend=null']) as { requestAdapter(): Promise<WebGpuAdapter | null> };

let device: GpuDevice;
let compiled: MockInstance<(descriptor: { code: string }) => unknown>;
beforeAll(async () => {
  vi.stubGlobal('navigator', { gpu: nothing });
  const adapter = await nothing.requestAdapter();
  ({ device } = await openWebGpu(adapter!, (native) => {
    compiled = vi.spyOn(native, 'createShaderModule');
  }));
});
afterAll(async () => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  await device.dispose();
});

/** What WGSL must not hold, of the shaders that the work compiles; gives their number. */
async function checkShaders(work: () => Promise<unknown>): Promise<number> {
  const start = compiled.mock.calls.length;
  await work();
  await device.synchronize();
  const shaders = compiled.mock.calls.slice(start);
  for (const [{ code: shader }] of shaders) {
    expect(shader).not.toContain('LOOP_MAX');
    // A compiler may take it that no number differs from itself: NaN is looked for by its bits.
    expect(shader).not.toMatch(/\((\w+)[!=]=\1\)/);
    expect(floatIndices(shader), shader).toEqual([]);
  }
  return shaders.length;
}

describe.each(opNames)('%s', (name) => {
  it('is valid WGSL with constant loops and integer indices', async () => {
    const { awkward, gradients } = suites[name];
    await checkShaders(async () => {
      for (const testCase of awkward) await bitsOf(device, testCase, gradients);
    });
  });
});

it('fuses a sum over a broadcast, permuted, joined chain', async () => {
  const shaders = await checkShaders(() =>
    scope(device, () => {
      const [x, row] = [ones(device, [15, 7]), tensor(device, [1, 2, 3, 4, 5, 6, 7])];
      const turned = transpose(multiply(x, row));
      return sum(concatenate([turned, square(turned)], 1), 1).data();
    }),
  );
  expect(shaders).toBe(1);
});

it('has seen shaders', () => {
  expect(compiled.mock.calls.length).toBeGreaterThan(100);
  expect(device.mode).toBe('webgpu');
});

it('finds an index that passes through f32', () => {
  const accessor = (index: string): string => `let a = get_user_x(0, 0, ${index});`;
  expect(floatIndices(accessor('i32(((i32(user_r) | 0)*64))'))).toEqual([]);
  expect(floatIndices(accessor('i32((f32(i32(threadGid.x))*user_r))'))).toHaveLength(1);
  expect(floatIndices(`var user_r : f32 = 1.0; ${accessor('i32((user_r*user_r))')}`)).toHaveLength(1);
  expect(floatIndices(accessor('i32((i32(threadGid.x)*2.0))'))).toHaveLength(1);
});

/**
 * The index expressions of a shader that compute in f32. What a conversion takes whole is an integer: a variable, a
 * floor, or an element, whose own index is looked at by itself.
 */
function floatIndices(shader: string): string[] {
  const variables = [...shader.matchAll(/var (user_\w+) : f32/g)].map(([, name]) => name!);
  return indexTexts(shader).filter((text) => {
    const elements = withoutCalls(text, /get_user_\w+\(/, 'ELEMENT');
    const floors = withoutCalls(elements, /i32\(floor\(/, 'INTEGER');
    const rest = floors.replaceAll(/i32\((?:ELEMENT|user_\w+|threadGid\.[xyz])\)/g, 'INTEGER');
    return /f32\(|\d\.\d|ELEMENT/.test(rest) || variables.some((name) => new RegExp(`\\b${name}\\b`).test(rest));
  });
}

/** The text with calls that begin so replaced, arguments and all. */
function withoutCalls(text: string, opening: RegExp, replacement: string): string {
  const match = opening.exec(text);
  if (match === null) return text;
  const end = closing(text, match.index + match[0].length, match[0].split('(').length - 1);
  const rest = withoutCalls(text.slice(end), opening, replacement);
  return `${text.slice(0, match.index)}${replacement}${rest}`;
}

/** The place behind the parenthesis that closes the last of `depth` open ones. */
function closing(text: string, start: number, depth: number): number {
  let at = start;
  for (let open = depth; open > 0; at++) {
    if (text[at] === '(') open++;
    else if (text[at] === ')') open--;
  }
  return at;
}

/** The third argument of every accessor. */
function indexTexts(shader: string): string[] {
  const main = shader.slice(Math.max(0, shader.indexOf('@compute')));
  return [...main.matchAll(/get_user_\w+\(0, 0, /g)].map((match) => {
    const start = match.index + match[0].length;
    return main.slice(start, closing(main, start, 1) - 1);
  });
}
