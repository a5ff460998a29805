/** Two small tools around recording: no gradients, and names for the profiler. */
import type { Device } from '../devices/device.ts';
import { scope } from '../scope.ts';

/** Runs `body` so that no gradient flows through what it returns (stop-gradient). */
export function withoutGradients<T>(device: Device, body: () => T): T {
  return scope(device, body, { gradients: false });
}

/**
 * Runs `body` under a label: the profiler attributes its kernels, and those of their gradients, to that part of the
 * model.
 */
export function labelled<T>(device: Device, label: string, body: () => T): T {
  const before = device.label;
  device.label = label;
  try {
    return body();
  } finally {
    device.label = before;
  }
}
