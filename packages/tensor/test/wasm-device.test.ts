/** The wasm device: its queue, its memory, its errors and its profiles. */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { DeviceBuffer } from '../src/devices/device.ts';
import { ARGUMENT_WORDS } from '../src/devices/wasm/commands/encoding.ts';
import { COPY_TILE_BYTES } from '../src/devices/wasm/constants.ts';
import { createWasmDevice, type WasmDevice, type WasmDeviceOptions } from '../src/devices/wasm/index.ts';
import { CONTROL_BYTES, RING, RING_SLOTS, SLOT_ARGUMENTS, SLOT_BYTES } from '../src/devices/wasm/layout.ts';
import { STAGING_BYTES } from '../src/devices/wasm/staging.ts';

const opened: WasmDevice[] = [];
async function open(options: WasmDeviceOptions = {}): Promise<WasmDevice> {
  const device = await createWasmDevice(options);
  opened.push(device);
  return device;
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((device) => device.dispose()));
});

function put(device: WasmDevice, data: number[]): DeviceBuffer {
  const buffer = device.allocate(data.length);
  device.write(buffer, Float32Array.from(data));
  return buffer;
}
async function get(device: WasmDevice, buffer: DeviceBuffer): Promise<number[]> {
  return [...new Float32Array(await device.read(buffer))];
}
function copy(device: WasmDevice, out: DeviceBuffer, x: DeviceBuffer): void {
  const bytes = 4 * x.elements;
  device.recorder.record('COPY_BYTES', Math.ceil(bytes / COPY_TILE_BYTES), { out, x, bytes });
}
function addOne(device: WasmDevice, x: DeviceBuffer): void {
  device.kernels.affine({ x, out: x, scale: 1, shift: 1, count: x.elements });
}
/** Lets a kernel fail: nothing lies where it copies. */
function fault(device: WasmDevice): void {
  const beyond = 2 ** 32 - 64;
  device.recorder.record('COPY_BYTES', 3, { out: beyond, x: beyond, bytes: 1000 });
}
/** Keeps the workers busy for some milliseconds. */
function work(device: WasmDevice, rounds = 20): void {
  const x = device.allocate(2 ** 20);
  device.kernels.fill({ out: x, value: 1, count: x.elements, integer: false });
  for (let i = 0; i < rounds; i++) device.kernels.unary({ op: 'exp', x, out: x, count: x.elements });
  device.free(x);
}

describe.each([0, 1, 2, 3])('with %i threads', (threads) => {
  it('says what it is', async () => {
    const device = await open({ threads });
    expect(device.kind).toBe('wasm');
    expect(device.threads).toBe(threads);
    const names = ['in place', '1 thread', '2 threads', '3 threads'];
    expect(device.description).toMatch(new RegExp(`^wasm, ${names[threads]}, (relaxed )?SIMD$`));
    const plain = await open({ threads, relaxedSimd: false });
    expect(plain.description).toBe(`wasm, ${names[threads]}, SIMD`);
  });

  it('shows the memory of a buffer itself, also after it has grown', async () => {
    const device = await open({ threads });
    const x = put(device, [1, 2]);
    const view = device.view(x);
    const large = device.allocate(2 ** 23);
    addOne(device, x);
    await device.synchronize();
    expect([...view]).toEqual([2, 3]);
    view.set([7, 8]);
    expect(await get(device, x)).toEqual([7, 8]);
    device.free(large);
    device.free(x);
    expect(() => device.view(x)).toThrow('view: the buffer of 2 elements has been freed');
  });

  it('runs far more commands than the ring holds, recorded without waiting', async () => {
    const device = await open({ threads });
    const x = put(device, [0]);
    const count = 100_000;
    expect(count).toBeGreaterThan(20 * RING_SLOTS);
    for (let i = 0; i < count; i++) addOne(device, x);
    expect(await get(device, x)).toEqual([count]);
  });

  it('runs commands in the order of their recording', async () => {
    const device = await open({ threads });
    const cells = 8;
    const cell = fc.integer({ min: 0, max: cells - 1 });
    const action = fc.tuple(fc.constantFrom('copy', 'write', 'add', 'read', 'pause'), cell, cell);
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 200 }), async (actions) => {
        const model = Array.from({ length: cells }, (_, i) => i);
        const buffers = model.map((value) => put(device, [value]));
        const reads: { expected: number[]; got: Promise<number[]> }[] = [];
        for (const [kind, i, j] of actions) {
          if (kind === 'copy' && i !== j) {
            copy(device, buffers[i]!, buffers[j]!);
            model[i] = model[j]!;
          } else if (kind === 'write') {
            device.write(buffers[i]!, Float32Array.of(10 * j));
            model[i] = 10 * j;
          } else if (kind === 'add') {
            addOne(device, buffers[i]!);
            model[i]!++;
          } else if (kind === 'read') {
            reads.push({ expected: [model[i]!], got: get(device, buffers[i]!) });
          } else if (kind === 'pause') {
            await device.synchronize();
          }
        }
        for (const { expected, got } of reads) expect(await got).toEqual(expected);
        expect(await Promise.all(buffers.map((buffer) => get(device, buffer)))).toEqual(model.map((value) => [value]));
        for (const buffer of buffers) device.free(buffer);
      }),
      { numRuns: 50 },
    );
  });

  it('writes in order while it is busy, more than the staging memory holds', async () => {
    const device = await open({ threads });
    const elements = STAGING_BYTES / 4 + 12_345;
    const x = device.allocate(elements);
    const outs = [1, 2, 3].map((value) => ({ value, out: device.allocate(elements) }));
    work(device);
    const data = new Float32Array(elements);
    for (const { value, out } of outs) {
      data.fill(value);
      data[elements - 1] = -value;
      device.write(x, data);
      copy(device, out, x);
      addOne(device, out);
    }
    data.fill(0);
    for (const { value, out } of outs) {
      const got = new Float32Array(await device.read(out));
      expect(got.subarray(0, -1).every((number) => number === value + 1)).toBe(true);
      expect(got[elements - 1]).toBe(1 - value);
    }
  });

  it('reads what a buffer held at the call', async () => {
    const device = await open({ threads });
    const x = put(device, [1, 2, 3]);
    work(device);
    addOne(device, x);
    const before = get(device, x);
    addOne(device, x);
    const between = get(device, x);
    device.write(x, Float32Array.of(7, 8, 9));
    const after = get(device, x);
    device.free(x);
    const other = put(device, [0, 0, 0]);
    expect(await before).toEqual([2, 3, 4]);
    expect(await between).toEqual([3, 4, 5]);
    expect(await after).toEqual([7, 8, 9]);
    expect(await get(device, other)).toEqual([0, 0, 0]);
  });

  it('keeps tables for the commands that were recorded before their release', async () => {
    const device = await open({ threads });
    const { recorder } = device;
    const out = device.allocate(99);
    const expected: number[][] = [];
    const reads: Promise<ArrayBuffer>[] = [];
    work(device);
    for (let i = 0; i < 200; i++) {
      const rows = Array.from({ length: 33 }, (_, j) => ({ x: 1000 * i + j, count: j, firstTile: i }));
      const table = recorder.table('SUM_OF_SQUARES_SEGMENT', rows);
      recorder.record('COPY_BYTES', 1, { out, x: table, bytes: 396 });
      recorder.release(table);
      expected.push(rows.flatMap(({ x, count, firstTile }) => [x, count, firstTile]));
      reads.push(device.read(out));
    }
    for (const [i, read] of reads.entries()) expect([...new Int32Array(await read)]).toEqual(expected[i]);
  });

  it('runs kernels in memory that it got while they were waiting', async () => {
    const device = await open({ threads });
    work(device);
    const elements = 3 * 2 ** 20;
    const x = device.allocate(elements);
    device.kernels.fill({ out: x, value: 5, count: elements, integer: false });
    for (let i = 0; i < 8; i++) {
      const next = device.allocate(elements);
      device.kernels.affine({ x, out: next, scale: 1, shift: i, count: elements });
      // Copies check their bounds against the size that the worker knows of.
      expect(new Float32Array(await device.read(next)).every((value) => value === 5 + i)).toBe(true);
    }
  });

  it('gives every error of a kernel to whoever waits and to whoever comes later', async () => {
    const device = await open({ threads });
    const x = put(device, [1]);
    work(device);
    fault(device);
    const message = /kernel COPY_BYTES failed in tile \d.*(bounds|memory)/;
    const outcomes = await Promise.allSettled([device.read(x), device.synchronize(), device.read(x)]);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { message: expect.stringMatching(message) } });
    }
    await expect(device.read(x)).rejects.toThrow(message);
    await expect(device.synchronize()).rejects.toThrow(message);
    expect(() => addOne(device, x)).toThrow(message);
    expect(() => device.write(x, Float32Array.of(1))).toThrow(message);
    expect(() => device.allocate(1)).toThrow(message);
  });

  it('cannot be used after it was disposed of', async () => {
    const device = await open({ threads });
    const x = put(device, [1]);
    work(device);
    const pending = Promise.allSettled([threads === 0 ? Promise.reject(new Error('disposed')) : device.read(x)]);
    await device.dispose();
    await device.dispose();
    expect(await pending).toMatchObject([{ reason: { message: expect.stringContaining('disposed') } }]);
    expect(() => device.allocate(1)).toThrow('disposed');
    expect(() => addOne(device, x)).toThrow('disposed');
    await expect(device.read(x)).rejects.toThrow('disposed');
    await expect(device.synchronize()).rejects.toThrow('disposed');
  });

  it('tells where the time went', async () => {
    const device = await open({ threads });
    const x = device.allocate(1000);
    work(device);
    await device.profile.start();
    device.label = 'experts';
    device.kernels.fill({ out: x, value: 1, count: 1000, integer: false });
    work(device);
    device.label = 'router';
    for (let i = 0; i < 100; i++) addOne(device, x);
    const { total, busy, labels, kernels } = await device.profile.stop();
    expect(Object.keys(labels).toSorted()).toEqual(['experts', 'router']);
    expect(Object.keys(kernels).toSorted()).toEqual(['AFFINE', 'FILL', 'UNARY']);
    for (const parts of [labels, kernels]) {
      expect(Object.values(parts).reduce((sum, time) => sum + time, 0)).toBeCloseTo(busy, 6);
    }
    expect(busy).toBeGreaterThan(0);
    expect(busy).toBeLessThanOrEqual(total + 1);
    await expect(device.profile.stop()).rejects.toThrow('profile.start');
  });
});

it('gives the same bits on any number of threads', async () => {
  const results: Uint8Array[] = [];
  for (const threads of [0, 1, 2, 3]) {
    const device = await open({ threads });
    const [m, n, k] = [97, 203, 151];
    const random = (count: number, keyLow: number): DeviceBuffer => {
      const out = device.allocate(count);
      device.kernels.random({ out, distribution: 'normal', count, keyLow, keyHigh: 0 });
      return out;
    };
    const product = device.allocate(m * n);
    const matrices = { batch: 1, aBatchStride: 0, bBatchStride: 0, transposeA: false, transposeB: false };
    device.kernels.matmul({
      ...matrices,
      a: random(m * k, 1),
      b: random(k * n, 2),
      out: product,
      m,
      n,
      k,
      accumulate: false,
    });
    const out = device.allocate(m * n);
    device.kernels.softmax({ x: product, out, rows: m, columns: n });
    const norm = device.allocate(1);
    device.kernels.sumOfSquares({ xs: [{ x: product, count: m * n }], out: norm });
    const read = await Promise.all([device.read(out), device.read(norm)]);
    results.push(Uint8Array.from(read.flatMap((buffer) => [...new Uint8Array(buffer)])));
  }
  for (const result of results) expect(result).toEqual(results[0]);
});

it('runs several devices side by side, and one that failed leaves the others alone', async () => {
  const [one, two] = await Promise.all([open({ threads: 2 }), open({ threads: 2 })]);
  const x = put(one, [1]);
  const y = put(two, [100]);
  for (let i = 0; i < 5000; i++) {
    addOne(one, x);
    addOne(two, y);
  }
  expect(await Promise.all([get(one, x), get(two, y)])).toEqual([[5001], [5100]]);
  fault(one);
  await expect(one.synchronize()).rejects.toThrow('kernel COPY_BYTES failed');
  addOne(two, y);
  expect(await get(two, y)).toEqual([5101]);
});

it('leaves the event loop free while kernels run', async () => {
  const device = await open({ threads: 1 });
  const x = put(device, [1]);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 0);
  work(device, 300);
  await device.read(x);
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(3);
});

describe('memory', () => {
  it('counts what is live', async () => {
    const device = await open({ threads: 1 });
    expect(device.memory).toEqual({ liveBytes: 0, liveBuffers: 0, peakBytes: 0 });
    const a = device.allocate(10);
    const b = device.allocate(0);
    expect(device.memory).toEqual({ liveBytes: 40, liveBuffers: 2, peakBytes: 40 });
    device.free(a);
    const c = device.allocate(5);
    expect(device.memory).toEqual({ liveBytes: 20, liveBuffers: 2, peakBytes: 40 });
    expect((await device.read(b)).byteLength).toBe(0);
    work(device);
    await device.read(c);
    expect(device.memory.liveBuffers).toBe(2);
  });

  it('aligns buffers to 64 bytes', async () => {
    const device = await open({ threads: 0 });
    for (let elements = 0; elements < 100; elements++) {
      expect(device.recorder.address(device.allocate(elements)) % 64).toBe(0);
    }
  });

  it('says what is live when it is used up, and goes on after a free', async () => {
    const device = await open({ threads: 1, memoryLimit: 64 * 2 ** 20 });
    const large = device.allocate(8 * 2 ** 20);
    expect(() => device.allocate(8 * 2 ** 20)).toThrow(RangeError);
    expect(() => device.allocate(8 * 2 ** 20)).toThrow(
      /out of memory\. Asked for 32\.00 MiB; 32\.00 MiB are live in 1 buffers.*the limit is 64\.00 MiB/,
    );
    device.free(large);
    const again = device.allocate(8 * 2 ** 20);
    device.kernels.fill({ out: again, value: 3, count: again.elements, integer: false });
    expect(new Float32Array(await device.read(put(device, [1])))).toEqual(Float32Array.of(1));
  });

  it('refuses what cannot be meant', async () => {
    const device = await open({ threads: 0 });
    const x = put(device, [1, 2]);
    expect(() => device.write(x, Float32Array.of(1))).toThrow('the buffer has 2 elements, the data has 1');
    expect(() => device.allocate(-1)).toThrow('got -1');
    expect(() => device.allocate(1.5)).toThrow('got 1.5');
    expect(() => device.free({ elements: 2 })).toThrow('not one of a wasm device');
    const axes = Array.from({ length: 20 }, () => ({ size: 1, first: 1, second: 1 }));
    const box = { rows: 1, inner: 1, rowsPerTile: 1, chunksPerRow: 1, chunkColumns: 1, xStride: 1, outStride: 1 };
    expect(() => device.recorder.record('COPY_ROWS', 1, { ...box, x, out: x, axes })).toThrow(
      'kernel COPY_ROWS has 70 argument words, at most 60 fit',
    );
    expect(() => device.recorder.release(64)).toThrow('no temporary memory lies at 64');
    device.free(x);
    expect(() => device.free(x)).toThrow('free: the buffer of 2 elements has been freed');
    await expect(device.read(x)).rejects.toThrow('read: the buffer of 2 elements has been freed');
    expect(() => addOne(device, x)).toThrow('kernel: the buffer of 2 elements has been freed');
    const other = await open({ threads: 0 });
    expect(() => other.free(put(device, [1]))).toThrow('another device');
  });
});

it('refuses impossible options', async () => {
  await expect(createWasmDevice({ threads: -1 })).rejects.toThrow('threads must be an integer, at least 0, got -1');
  await expect(createWasmDevice({ threads: 1.5 })).rejects.toThrow('got 1.5');
  await expect(createWasmDevice({ memoryLimit: 2 ** 33 })).rejects.toThrow('memoryLimit');
  await expect(createWasmDevice({ threads: 8, memoryLimit: 2 ** 20 })).rejects.toThrow('8 threads need');
});

it('has a layout whose parts fit together', () => {
  expect(CONTROL_BYTES).toBe(RING + RING_SLOTS * SLOT_BYTES);
  expect(ARGUMENT_WORDS).toBe((SLOT_BYTES - SLOT_ARGUMENTS) / 4);
});
