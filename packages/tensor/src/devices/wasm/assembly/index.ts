/** The module's entry: what the host calls. */
import { runTile } from './dispatch';

export { faultBound, faultIndex } from './faults';
export { addNumbers } from './host';
export { attach, currentOpcode, currentTile, drain, stop, work } from './runtime';
export { runTile };

/** First byte behind the module's own data. */
export function heapBase(): usize {
  return __heap_base;
}
