/**
 * Computations that may pause for something from outside of the device, such as rows from another machine: generators
 * that yield what is to be awaited before they go on. Who runs one decides whether it may: a function that is to give
 * its result at once runs the same code as one that gives a promise.
 */
import type { Device } from './devices/device.ts';

/** Yields what is to be awaited; gives T. */
export type Pausing<T> = Generator<Promise<unknown>, T, unknown>;

/**
 * Runs a computation to its end, now.
 *
 * @throws Error where it would pause
 */
export function atOnce<T>(computation: Pausing<T>): T {
  const next = computation.next();
  if (next.done) return next.value;
  next.value.catch(() => {});
  // Thrown where it paused, so that what it holds is freed.
  computation.throw(new Error('this waits for other ranks, and cannot be computed at once: await its pausing form'));
  throw new Error('atOnce: a computation went on after its end');
}

/** Runs a computation to its end, and begins at once; whatever it pauses for is awaited. */
export async function awaited<T>(computation: Pausing<T>): Promise<T> {
  let next = computation.next();
  while (!next.done) {
    let value: unknown;
    try {
      value = await next.value;
    } catch (error) {
      next = computation.throw(error);
      continue;
    }
    next = computation.next(value);
  }
  return next.value;
}

/** Pauses for a promise and gives what it resolves to. */
export function* pauseFor<T>(promise: Promise<T>): Pausing<T> {
  return (yield promise) as T;
}

/** As `labelled`: a computation under a label, which kernels that others record meanwhile get too. */
export function* labelledPausing<T>(device: Device, label: string, computation: Pausing<T>): Pausing<T> {
  const before = device.label;
  device.label = label;
  try {
    return yield* computation;
  } finally {
    device.label = before;
  }
}
