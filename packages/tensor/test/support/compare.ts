/** Runs the same kernels on two devices, and compares what they wrote. */
import type { Device, DeviceBuffer } from '../../src/devices/device.ts';

/** The largest difference. */
export function furthest(actual: Float32Array, expected: Float32Array): number {
  return expected.reduce((worst, value, i) => {
    const off = Math.abs(actual[i]! - value);
    return Number.isNaN(off) ? Number.POSITIVE_INFINITY : Math.max(worst, off);
  }, 0);
}

/**
 * What `record` writes to buffers of these sizes from buffers with these numbers, on each device. The former hold NaN
 * before, so that what is left unwritten shows.
 */
export function resultsOn(
  devices: readonly Device[],
  inputs: readonly (Float32Array | Int32Array)[],
  sizes: readonly number[],
  record: (device: Device, inputs: readonly DeviceBuffer[], outs: readonly DeviceBuffer[]) => void,
): Promise<Float32Array[][]> {
  return Promise.all(
    devices.map(async (device) => {
      const put = (data: Float32Array | Int32Array): DeviceBuffer => {
        const buffer = device.allocate(data.length);
        device.write(buffer, data);
        return buffer;
      };
      const given = inputs.map(put);
      const outs = sizes.map((size) => put(new Float32Array(size).fill(Number.NaN)));
      record(device, given, outs);
      const read = await Promise.all(outs.map((out) => device.read(out)));
      for (const buffer of [...given, ...outs]) device.free(buffer);
      return read.map((data) => new Float32Array(data));
    }),
  );
}
