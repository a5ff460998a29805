/** The gpu device as a device: values behind buffers, order, errors, memory. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCpuBackend } from '../src/devices/gpu/backend-cpu.ts';
import type { Backend, Program } from '../src/devices/gpu/backend.ts';
import { LauncherDevice } from '../src/devices/gpu/device.ts';
import { loadGpuJs } from '../src/devices/gpu/gpujs.ts';
import { type GpuDevice, createGpuDevice } from '../src/devices/gpu/index.ts';
import { Launcher } from '../src/devices/gpu/launcher.ts';
import { describeAdapter, findAdapter, isSoftware } from '../src/devices/gpu/webgpu.ts';
import { createDevice } from '../src/devices/index.ts';
import { createWasmDevice } from '../src/devices/wasm/index.ts';
import { hasWebGpu, webGpuNote } from './support/conformance.ts';
import { openWebGpu } from './support/webgpu.ts';

const adapter = await findAdapter();
const gpuJs = (await loadGpuJs())!;

let device: GpuDevice;
beforeEach(async () => {
  device = await createGpuDevice({ mode: 'cpu' });
});
afterEach(() => device.dispose());

async function floats(from: GpuDevice, buffer: ReturnType<GpuDevice['allocate']>): Promise<number[]> {
  return [...new Float32Array(await from.read(buffer))];
}

it('says what it is', () => {
  expect(device).toMatchObject({ kind: 'gpu', mode: 'cpu', software: true, threads: 0 });
  expect(device.description).toBe('gpu, gpu.js cpu mode');
});

describe('buffers', () => {
  it('reads what a buffer held at the call', async () => {
    const buffer = device.allocate(2);
    device.write(buffer, Float32Array.of(1, 2));
    const before = device.read(buffer);
    device.kernels.affine({ x: buffer, out: buffer, scale: 10, shift: 0, count: 2 });
    const after = device.read(buffer);
    device.free(buffer);
    expect(new Float32Array(await before)).toEqual(Float32Array.of(1, 2));
    expect(new Float32Array(await after)).toEqual(Float32Array.of(10, 20));
  });

  it('takes data that change after the call', async () => {
    const buffer = device.allocate(1);
    const data = Float32Array.of(1);
    device.write(buffer, data);
    data[0] = 2;
    expect(await floats(device, buffer)).toEqual([1]);
    const read = new Float32Array(await device.read(buffer));
    read[0] = 3;
    expect(await floats(device, buffer)).toEqual([1]);
  });

  it('counts what is live, and frees at once what no buffer holds', () => {
    const [a, b] = [device.allocate(10), device.allocate(10)];
    expect(device.memory).toEqual({ liveBytes: 80, liveBuffers: 2, peakBytes: 80 });
    expect(device.resident.bytes).toBe(0);
    device.write(a, new Float32Array(10));
    expect(device.resident.bytes).toBe(40);
    // A copy is the same value, until one of both changes.
    device.kernels.affine({ x: a, out: b, scale: 1, shift: 0, count: 10 });
    expect(device.resident.bytes).toBe(40);
    device.kernels.softmax({ x: a, out: b, rows: 1, columns: 10 });
    expect(device.resident.bytes).toBe(80);
    device.kernels.softmax({ x: b, out: b, rows: 2, columns: 5 });
    expect(device.resident.bytes).toBe(80);
    device.free(a);
    device.free(b);
    expect(device.resident.bytes).toBe(0);
    expect(device.resident.peakBytes).toBeGreaterThan(80);
    expect(device.memory).toEqual({ liveBytes: 0, liveBuffers: 0, peakBytes: 80 });
  });

  it('gives zeros for what was never written, nothing for nothing', async () => {
    expect(await floats(device, device.allocate(2))).toEqual([0, 0]);
    expect(await floats(device, device.allocate(0))).toEqual([]);
  });

  it('keeps integers up to 2^24 and refuses larger ones', async () => {
    const buffer = device.allocate(3);
    device.write(buffer, Int32Array.of(2 ** 24, -(2 ** 24), 16_777_215));
    expect(new Int32Array(await device.read(buffer))).toEqual(Int32Array.of(2 ** 24, -(2 ** 24), 16_777_215));
    expect(() => device.write(buffer, Int32Array.of(0, 2 ** 24 + 1, 0))).toThrow(
      'whole numbers from -2^24 to 2^24, got 16777217 at element 1',
    );
  });

  it('refuses plans whose indices it could not hold', () => {
    const count = 2 ** 24 + 1;
    const [keys, counts, offsets] = [device.allocate(count), device.allocate(2), device.allocate(3)];
    const [order, inverse] = [device.allocate(count), device.allocate(count)];
    const plan = { keys, counts, offsets, order, inverse, count, segments: 2 };
    expect(() => device.kernels.segmentPlan(plan)).toThrow('segmentPlan: 16777217 keys in 2 segments');
  });

  it('refuses what cannot be meant', async () => {
    const buffer = device.allocate(2);
    expect(() => device.allocate(-1)).toThrow('allocate: expected a number of elements');
    expect(() => device.allocate(2 ** 40)).toThrow(/a tensor of 1099511627776 elements .* is larger than/);
    expect(() => device.write(buffer, new Float32Array(3))).toThrow('the buffer has 2 elements, the data has 3');
    const wasm = await createWasmDevice({ threads: 0 });
    expect(() => device.free(wasm.allocate(1))).toThrow('free: the buffer is not one of a gpu device');
    await wasm.dispose();
    device.free(buffer);
    expect(() => device.free(buffer)).toThrow('free: the buffer of 2 elements has been freed');
    await expect(device.read(buffer)).rejects.toThrow('has been freed');
  });

  it('cannot be used after it was disposed of', async () => {
    const other = await createGpuDevice({ mode: 'cpu' });
    const buffer = other.allocate(1);
    await other.dispose();
    await expect(other.synchronize()).rejects.toThrow('the gpu device has been disposed of');
    expect(() => other.kernels.fill({ out: buffer, value: 1, count: 1, integer: false })).toThrow('disposed of');
  });
});

describe('launches', () => {
  const launcher = (): Launcher => new Launcher(createCpuBackend(gpuJs));

  it('are compiled once for each kernel', () => {
    const buffer = device.allocate(4);
    device.write(buffer, new Float32Array(4));
    for (let i = 0; i < 5; i++) device.kernels.softmax({ x: buffer, out: buffer, rows: 1, columns: 4 });
    expect(device.statistics).toEqual({ launches: 5, programs: 1 });
  });

  it('are one for a chain of elementwise functions, when it is read', async () => {
    const [x, row, out] = [device.allocate(6), device.allocate(3), device.allocate(6)];
    device.write(x, Float32Array.of(1, 2, 3, 4, 5, 6));
    device.write(row, Float32Array.of(10, 20, 30));
    const rowStrides = { shape: [2, 3], aStrides: [3, 1], bStrides: [0, 1] };
    device.kernels.unary({ op: 'square', x, out, count: 6 });
    device.kernels.affine({ x: out, out, scale: 2, shift: 1, count: 6 });
    device.kernels.binary({ op: 'add', a: out, b: row, out, ...rowStrides });
    device.write(row, new Float32Array(3));
    expect(device.statistics.launches).toBe(0);
    expect(await floats(device, out)).toEqual([13, 29, 49, 43, 71, 103]);
    expect(await floats(device, out)).toEqual([13, 29, 49, 43, 71, 103]);
    expect(device.statistics.launches).toBe(1);
    // A sum computes what it adds up.
    const [doubled, sum] = [device.allocate(6), device.allocate(2)];
    device.kernels.affine({ x: out, out: doubled, scale: 2, shift: 0, count: 6 });
    device.kernels.reduce({ op: 'sum', x: doubled, out: sum, outer: 2, length: 3, inner: 1 });
    expect(await floats(device, sum)).toEqual([182, 434]);
    expect(device.statistics.launches).toBe(2);
    for (const buffer of [x, row, out, doubled, sum]) device.free(buffer);
    expect(device.resident.bytes).toBe(0);
  });

  it('add up short sums where norms, small products and gathers read them', async () => {
    const [a, b, sum, ones] = [device.allocate(6), device.allocate(6), device.allocate(6), device.allocate(3)];
    device.write(a, Float32Array.of(1, 2, 3, 4, 5, 6));
    device.write(b, Float32Array.of(2, 2, 2, 4, 4, 4));
    device.write(ones, Float32Array.of(1, 1, 1));
    const strides = { shape: [6], aStrides: [1], bStrides: [1] };
    device.kernels.binary({ op: 'add', a, b, out: sum, ...strides });
    const [norm, inverseRms] = [device.allocate(6), device.allocate(2)];
    device.kernels.rmsNorm({ x: sum, weight: ones, out: norm, inverseRms, rows: 2, columns: 3, epsilon: 0 });
    const layout = { transposeA: false, transposeB: false, aBatchStride: 0, bBatchStride: 0, accumulate: false };
    const dots = device.allocate(2);
    device.kernels.matmul({ a: sum, b: ones, out: dots, batch: 1, m: 2, n: 1, k: 3, ...layout });
    const [indices, rows] = [device.allocate(1), device.allocate(3)];
    device.write(indices, Int32Array.of(1));
    const taken = { table: sum, height: 2, indices, divisor: 1, weights: null, out: rows, rows: 1, columns: 3 };
    device.kernels.gatherRows(taken);
    // All three at once: none waits for the sum.
    expect(device.statistics.launches).toBe(1);
    expect(await floats(device, dots)).toEqual([12, 27]);
    expect(await floats(device, rows)).toEqual([8, 9, 10]);
    const [rms] = await floats(device, inverseRms);
    expect(rms).toBeCloseTo(1 / Math.sqrt(50 / 3), 6);
    expect((await floats(device, norm))[0]).toBeCloseTo(3 * rms!, 6);
    expect(await floats(device, sum)).toEqual([3, 4, 5, 8, 9, 10]);
  });

  it('stay few and bounded where a chain never ends', async () => {
    const buffer = device.allocate(1);
    device.write(buffer, Float32Array.of(1));
    for (let i = 0; i < 100; i++) device.kernels.affine({ x: buffer, out: buffer, scale: 1, shift: 1, count: 1 });
    expect(await floats(device, buffer)).toEqual([101]);
    expect(device.statistics.launches).toBeLessThan(10);
    device.free(buffer);
    expect(device.resident.bytes).toBe(0);
  });

  it('refuse loops whose end is not constant', () => {
    const body = (): string => 'let sum = 0.0; for (let i = 0; i < n; i++) { sum = sum + 1; } return sum;';
    const bad = launcher();
    bad.frame(() => {
      bad.launch({ key: 'bad', extents: [1], buffers: {}, numbers: { n: 3 }, body });
    });
    // Launches only record; whoever waits, and whoever comes later, is told.
    expect(bad.statistics.launches).toBe(1);
    expect(() => bad.frame(() => {})).toThrow('a loop of this kernel has no constant bound');
  });

  it('refuse more buffers than WebGPU binds', () => {
    const some = launcher();
    some.frame(() => {
      const value = some.upload(Float32Array.of(1));
      const buffers = Object.fromEntries('abcdefgh'.split('').map((name) => [name, value]));
      expect(() => some.launch({ key: 'many', extents: [1], buffers, body: () => 'return a[0];' })).toThrow(
        'takes 8 buffers; at most 7 fit',
      );
    });
  });

  it('wait in order while a kernel is being built', async () => {
    const { slow, finishBuilding } = slowBackend();
    const late = new LauncherDevice(new Launcher(slow));
    const buffer = late.allocate(2);
    late.write(buffer, Float32Array.of(1, 2));
    late.kernels.affine({ x: buffer, out: buffer, scale: 2, shift: 0, count: 2 });
    const first = floats(late, buffer);
    late.kernels.unary({ op: 'negate', x: buffer, out: buffer, count: 2 });
    const second = floats(late, buffer);
    late.write(buffer, Float32Array.of(7, 8));
    const third = floats(late, buffer);
    late.free(buffer);
    finishBuilding();
    expect(await Promise.all([first, second, third])).toEqual([
      [2, 4],
      [-2, -4],
      [7, 8],
    ]);
    expect(late.resident.bytes).toBe(0);
  });

  it('give the error of a kernel that cannot be built to whoever waits', async () => {
    const { slow, failBuilding } = slowBackend();
    const late = new LauncherDevice(new Launcher(slow));
    const buffer = late.allocate(2);
    late.kernels.fill({ out: buffer, value: 1, count: 2, integer: false });
    const read = late.read(buffer);
    failBuilding(new Error('no such function'));
    await expect(read).rejects.toThrow('no such function');
    await expect(late.synchronize()).rejects.toThrow('no such function');
    expect(() => late.kernels.fill({ out: buffer, value: 1, count: 2, integer: false })).toThrow('no such function');
  });
});

/** gpu.js's cpu mode, whose kernels take until they are told to be built, as on webgpu. */
function slowBackend(): {
  slow: Backend<Float32Array>;
  finishBuilding: () => void;
  failBuilding: (error: Error) => void;
} {
  const backend = createCpuBackend(gpuJs);
  let finishBuilding = (): void => {};
  let failBuilding: (error: Error) => void = () => {};
  let built = false;
  const signal = new Promise<void>((resolve, reject) => {
    finishBuilding = () => {
      built = true;
      resolve();
    };
    failBuilding = reject;
  });
  const slow: Backend<Float32Array> = {
    ...backend,
    compile(parts): Program<Float32Array> {
      const program = backend.compile(parts);
      return {
        get building() {
          return built ? null : signal;
        },
        run: (...args) => program.run(...args),
      };
    },
  };
  return { slow, finishBuilding, failBuilding };
}

describe('createDevice', () => {
  it('opens what is asked for', async () => {
    const [wasm, gpu] = [
      await createDevice('wasm', { wasm: { threads: 0 } }),
      await createDevice('gpu', { gpu: { mode: 'cpu' } }),
    ];
    expect([wasm.kind, gpu.kind]).toEqual(['wasm', 'gpu']);
    await wasm.dispose();
    await gpu.dispose();
  });

  it('prefers a GPU, but not one that a CPU plays', async () => {
    const auto = await createDevice('auto', { wasm: { threads: 0 } });
    expect(auto.kind).toBe(adapter !== null && !isSoftware(adapter.info) ? 'gpu' : 'wasm');
    await auto.dispose();
  });

  it.skipIf(adapter !== null && !isSoftware(adapter.info))('says what is missing', async () => {
    await expect(createGpuDevice()).rejects.toThrow('createGpuDevice: no GPU to run on (webgpu: ');
  });

  it('knows the names of rasterisers', () => {
    const info = { vendor: 'google', architecture: 'swiftshader', device: '0xc0de', description: 'SwiftShader Device' };
    expect(isSoftware(info)).toBe(true);
    expect(describeAdapter(info)).toBe('google, swiftshader, 0xc0de, SwiftShader Device');
    expect(isSoftware({ vendor: 'mesa', architecture: '', device: '', description: 'llvmpipe (LLVM 15)' })).toBe(true);
    expect(isSoftware({ vendor: 'nvidia', architecture: 'hopper', device: '', description: '' })).toBe(false);
    expect(isSoftware({ vendor: 'x', architecture: '', device: '', description: '', isFallbackAdapter: true })).toBe(
      true,
    );
  });
});

describe.skipIf(!hasWebGpu)(`webgpu${webGpuNote}`, () => {
  it('says what really runs', async () => {
    const gpu = await createGpuDevice({ mode: 'webgpu' });
    expect(gpu).toMatchObject({ kind: 'gpu', mode: 'webgpu' });
    expect(gpu.description).toBe(`gpu, webgpu on ${describeAdapter(adapter!.info)}`);
    await gpu.dispose();
  });

  it('runs beside another one', async () => {
    const [one, other] = [await createGpuDevice({ mode: 'webgpu' }), await createGpuDevice({ mode: 'webgpu' })];
    const [x, y] = [one.allocate(2), other.allocate(2)];
    one.write(x, Float32Array.of(1, 2));
    other.write(y, Float32Array.of(5, 6));
    one.kernels.unary({ op: 'square', x, out: x, count: 2 });
    expect(await floats(one, x)).toEqual([1, 4]);
    await one.dispose();
    other.kernels.unary({ op: 'square', x: y, out: y, count: 2 });
    expect(await floats(other, y)).toEqual([25, 36]);
    await other.dispose();
  });

  it('reports what WebGPU finds out later', async () => {
    const { device: gpu, native } = await openWebGpu((await findAdapter())!);
    native.createBuffer({ size: 2 ** 40, usage: 128 });
    await expect(gpu.synchronize()).rejects.toThrow('gpu device: WebGPU reports:');
    expect(() => gpu.write(gpu.allocate(1), new Float32Array(1))).toThrow('WebGPU reports');
    await gpu.dispose();
  });
});
