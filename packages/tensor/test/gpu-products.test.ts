/** Products with workgroup memory against those of the wasm device: layouts, tiles, edges, groups. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device, DeviceBuffer } from '../src/devices/device.ts';
import { createWebGpuBackend } from '../src/devices/gpu/backend-webgpu.ts';
import { GpuBuffer } from '../src/devices/gpu/device.ts';
import { loadGpuJs } from '../src/devices/gpu/gpujs.ts';
import { createGpuDevice } from '../src/devices/gpu/index.ts';
import { sideOf, type Tile, TILES, tileFor } from '../src/devices/gpu/kernels/product-shader.ts';
import { tiledProduct } from '../src/devices/gpu/kernels/products.ts';
import { Launcher } from '../src/devices/gpu/launcher.ts';
import { Recorder } from '../src/devices/gpu/recorder.ts';
import { findAdapter } from '../src/devices/gpu/webgpu.ts';
import { createWasmDevice } from '../src/devices/wasm/index.ts';
import { noise } from './kernel-device.ts';
import { furthest, resultsOn } from './support/compare.ts';
import { hasWebGpu, webGpuNote } from './support/conformance.ts';

const layouts = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const;

describe('tileFor', () => {
  it('leaves what is too small to the kernels of gpu.js', () => {
    expect([tileFor(31, 64, 64, 1), tileFor(64, 31, 64, 1), tileFor(64, 64, 31, 1)]).toEqual([null, null, null]);
  });

  it('takes the largest tile of which there are enough', () => {
    const sides = [1024, 512, 256].map((size) => sideOf(tileFor(size, size, 64, 2)!));
    expect(sides).toEqual([128, 64, 32]);
    expect(sideOf(tileFor(32, 4096, 64, 999)!)).toBe(64);
    expect(sideOf(tileFor(128, 128, 999, 1)!)).toBe(32);
  });
});

describe.skipIf(!hasWebGpu)(`on WebGPU${webGpuNote}`, { timeout: 120_000 }, () => {
  let devices: readonly Device[];
  beforeAll(async () => {
    devices = [await createWasmDevice({ threads: 0 }), await createGpuDevice({ mode: 'webgpu' })];
  });
  afterAll(() => Promise.all(devices.map((device) => device.dispose())));

  /** Runs the same work on both devices, and compares what they wrote. */
  async function compare(
    inputs: readonly (Float32Array | Int32Array)[],
    size: number,
    record: (device: Device, inputs: readonly DeviceBuffer[], out: DeviceBuffer) => void,
  ): Promise<void> {
    const [expected, actual] = await resultsOn(devices, inputs, [size], (device, given, [out]) =>
      record(device, given, out!),
    );
    expect(furthest(actual![0]!, expected![0]!)).toBeLessThan(2e-5);
  }

  const compareProducts = (
    [batch, m, n, k]: readonly [number, number, number, number],
    [transposeA, transposeB]: readonly [boolean, boolean],
    accumulate = false,
    shared = false,
  ): Promise<void> =>
    compare(
      [noise(batch * m * k), noise((shared ? 1 : batch) * k * n, 2), noise(batch * m * n, 3)],
      batch * m * n,
      (device, inputs, out) => {
        const [a, b, old] = inputs as [DeviceBuffer, DeviceBuffer, DeviceBuffer];
        if (accumulate) device.kernels.affine({ x: old, out, scale: 1, shift: 0, count: batch * m * n });
        const strides = { aBatchStride: m * k, bBatchStride: shared ? 0 : k * n };
        device.kernels.matmul({ a, b, out, batch, m, n, k, transposeA, transposeB, ...strides, accumulate });
      },
    );

  describe.each(layouts)('transposed: a %s, b %s', (...layout) => {
    it.each([
      [1, 64, 32, 32],
      [2, 33, 47, 37],
      [3, 36, 40, 52],
    ])('%i of %i x %i x %i', (...shape) => compareProducts(shape, layout));

    it('adds to what is there', async () => {
      await compareProducts([2, 36, 40, 52], layout, true);
      if (layout[0] === layout[1]) await compareProducts([2, 35, 41, 33], layout, true);
    });

    it('shares one matrix among all', () => compareProducts([3, 40, 36, 32], layout, false, true));
  });

  describe.each([layouts[1], layouts[2]])('transposed: a %s, b %s', (...layout) => {
    it.each(TILES)('makes tiles of $threads x $threads threads, $each x $each each', async (tile) => {
      const side = sideOf(tile);
      for (const [m, n, k] of [
        [2 * side - 4, side + 8, 20],
        [side + 1, 2 * side - 3, 18],
      ] as const) {
        await compareTiled(tile, { m, n, k, transposeA: layout[0], transposeB: layout[1] });
      }
    });
  });

  /** A product with a tile that its shape would not get. */
  async function compareTiled(
    tile: Tile,
    shape: { m: number; n: number; k: number; transposeA: boolean; transposeB: boolean },
  ): Promise<void> {
    const { m, n, k } = shape;
    const [a, b] = [noise(m * k), noise(k * n, 2)];
    const [wasm] = devices as [Device, Device];
    const [left, right, out] = [wasm.allocate(m * k), wasm.allocate(k * n), wasm.allocate(m * n)];
    wasm.write(left, a);
    wasm.write(right, b);
    const strides = { batch: 1, aBatchStride: 0, bBatchStride: 0 };
    wasm.kernels.matmul({ a: left, b: right, out, ...shape, ...strides, accumulate: false });
    const launcher = new Launcher(await createWebGpuBackend((await loadGpuJs())!, (await findAdapter())!));
    const run = new Recorder(launcher, () => new GpuBuffer(0));
    let result: Promise<Float32Array> | undefined;
    launcher.frame(() => {
      const product = { ...shape, ...strides, a: run.upload(a), b: run.upload(b), old: null };
      result = launcher.read(tiledProduct(run, product, tile)!);
    });
    expect(furthest(await result!, new Float32Array(await wasm.read(out)))).toBeLessThan(2e-5);
    launcher.backend.dispose();
    for (const buffer of [left, right, out]) wasm.free(buffer);
  }

  const groups: readonly (readonly [string, number[], number])[] = [
    ['even groups', [0, 32, 64, 96], 96],
    ['uneven groups', [0, 1, 1, 70, 71, 163], 163],
    ['empty groups at both ends', [0, 0, 40, 140, 140], 140],
    ['rows of no group', [0, 50, 80], 97],
    ['one group', [0, 45], 45],
  ];

  describe.each(groups)('%s', (_, ends, rows) => {
    const count = ends.length - 1;
    const offsets = Int32Array.from(ends);

    it.each([
      [36, 40, false],
      [36, 40, true],
      [33, 35, false],
      [33, 35, true],
    ])('rows times matrices, to %i from %i columns, transposed: %s', async (n, k, transposeWeights) => {
      const used = ends.at(-1)!;
      await compare([noise(rows * k), noise(count * n * k, 2), offsets], used * n, (device, inputs, out) => {
        const [x, weights, cut] = inputs as [DeviceBuffer, DeviceBuffer, DeviceBuffer];
        const all = device.allocate(rows * n);
        const shape = { groups: count, rows, n, k, transposeWeights };
        device.kernels.groupedMatmul({ x, weights, offsets: cut, out: all, ...shape });
        // Only rows of groups are promised.
        const box = { xOffset: 0, xStrides: [1], outOffset: 0, outStrides: [1], shape: [used * n] };
        device.kernels.stridedCopy({ x: all, out, ...box });
        device.free(all);
      });
    });

    it.each([
      [36, 40],
      [33, 35],
    ])('transposed rows times rows, %i x %i', async (m, n) => {
      await compare([noise(rows * m), noise(rows * n, 2), offsets], count * m * n, (device, inputs, out) => {
        const [a, b, cut] = inputs as [DeviceBuffer, DeviceBuffer, DeviceBuffer];
        device.kernels.groupedMatmulTransposed({ a, b, offsets: cut, out, groups: count, rows, m, n });
      });
    });
  });
});
