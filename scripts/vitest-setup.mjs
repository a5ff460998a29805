/** Runs in each worker before its tests. */
import { expect } from 'vitest';

/**
 * The runner compares typed arrays key by key, which takes microseconds an element. Where all are the same that is
 * known at once; what differs is left to the runner, which says where.
 */
function sameElements(a, b) {
  const isArray = ArrayBuffer.isView(a) && !(a instanceof DataView);
  if (!isArray || a.constructor !== b?.constructor || a.length !== b.length) return undefined;
  return a.every((value, i) => Object.is(value, b[i])) || undefined;
}

// Called again for each file of a worker.
const added = Symbol.for('lpr.sameElements');
if (!globalThis[added]) expect.addEqualityTesters([sameElements]);
globalThis[added] = true;
