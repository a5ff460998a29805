/** What fits a device: the largest tensor, the batch, and the faster device of two. */
import { createGpuDevice, createWasmDevice, type Device } from '@lpr/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fasterDevice } from '../src/run/device-choice.ts';
import { checkTensors, fittingBatch } from '../src/run/fitting.ts';
import { resolveSettings } from '../src/settings/resolve.ts';

const tiny = resolveSettings({ preset: 'tiny', config: [], set: [] });
const onGpu = { ...tiny, device: 'gpu' } as const;

/** A device that holds so many bytes in one tensor. */
function holding(bytes: number): Device {
  return { kind: 'gpu', description: 'gpu, a small one', largestTensor: bytes } as unknown as Device;
}

describe('checkTensors', () => {
  it('names a parameter that is too large, its bytes, the limit, and what mends it', () => {
    const wide = resolveSettings({ preset: 'tiny', device: 'gpu', config: [], set: ['size.vocabulary=100000'] });
    const { vocabulary, hidden } = wide.size;
    const bytes = 4 * vocabulary * hidden;
    const text = `[${vocabulary}, ${hidden}] takes ${bytes} bytes, but gpu, a small one holds at most ${bytes - 4} in one tensor`;
    expect(() => checkTensors(wide, holding(bytes - 4))).toThrow(text);
    expect(() => checkTensors(wide, holding(bytes - 4))).toThrow('Lower size.hidden');
    expect(() => checkTensors(wide, holding(bytes))).not.toThrow();
  });

  it('names what grows with the batch', () => {
    const large = { ...onGpu, data: { ...onGpu.data, batchSize: 4096 } };
    expect(() => checkTensors(large, holding(2 ** 22))).toThrow(
      /^the rows of the experts of layer 0 \[.*Lower data\.batchSize \(now 4096; auto takes what fits\)/,
    );
  });

  it('leaves the CPU to its memory', () => {
    expect(() => checkTensors(tiny, { kind: 'wasm' } as Device)).not.toThrow();
  });
});

describe('the batch that fits', () => {
  it('grows with what a GPU holds in one tensor, up to a bound', () => {
    const small = fittingBatch(onGpu, 2 ** 21);
    const large = fittingBatch(onGpu, 2 ** 22);
    expect(small).toBeGreaterThan(1);
    expect(large).toBe(2 * small);
    expect(() => checkTensors({ ...onGpu, data: { ...onGpu.data, batchSize: small } }, holding(2 ** 21))).not.toThrow();
    const most = fittingBatch(onGpu, 2 ** 40);
    expect(most * onGpu.data.sequenceLength).toBe(32_768);
    expect(fittingBatch(onGpu, 4)).toBe(1);
  });

  it('stands in the settings as a number where options say auto', () => {
    const options = { preset: 'tiny', config: [], set: ['data.batchSize=auto'] };
    expect(resolveSettings(options).data.batchSize).toBe(fittingBatch(tiny));
    const limited = resolveSettings({ ...options, device: 'gpu', largestTensor: 2 ** 21 });
    expect(limited.data.batchSize).toBe(fittingBatch(onGpu, 2 ** 21));
    // A later setting is over it.
    expect(resolveSettings({ ...options, set: [...options.set, 'data.batchSize=3'] }).data.batchSize).toBe(3);
  });
});

describe('fasterDevice', { timeout: 120_000 }, () => {
  let cpu: Device;
  beforeAll(async () => {
    cpu = await createWasmDevice({ threads: 0 });
  });
  afterAll(() => cpu.dispose());

  it('takes the CPU from a slow GPU, says the speeds, and frees all', async () => {
    const gpu = await createGpuDevice({ mode: 'cpu' });
    const small = { ...tiny, data: { ...tiny.data, batchSize: 1, sequenceLength: 16 } };
    const { device, text } = await fasterDevice(small, gpu, () => Promise.resolve(cpu));
    expect(device).toBe(cpu);
    expect(text).toMatch(/^auto took .*: [\d,]+ tokens\/s in steps of this model, [\d,]+ on gpu, gpu\.js cpu mode$/);
    expect(cpu.memory.liveBuffers).toBe(0);
    await expect(gpu.synchronize()).rejects.toThrow('disposed of');
  });

  it('does not try a CPU that would be far slower', async () => {
    const paper = resolveSettings({ preset: 'paper/qwen3-moe-lpr', config: [], set: [] });
    const gpu = holding(2 ** 40);
    const { device, text } = await fasterDevice(paper, gpu, () => Promise.reject(new Error('not to be opened')));
    expect(device).toBe(gpu);
    expect(text).toMatch(/^auto took gpu, a small one: this CPU would need about \d+ s for each sequence of a step$/);
  });
});
