/** Simulates reference levels beside the page, which stays smooth meanwhile. */
import { type LevelsSize, simulateLevels } from '../src/levels.ts';

addEventListener('message', ({ data }: MessageEvent<LevelsSize>) => {
  // In a worker, and so without a window's target origin.
  (self as unknown as Worker).postMessage({ size: data, levels: simulateLevels(data) });
});
