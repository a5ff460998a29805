/** Simulates reference levels beside the page, which stays smooth meanwhile. */
import { type LevelSize, simulateLevels } from '@lpr/report/tables';

addEventListener('message', ({ data }: MessageEvent<LevelSize>) => {
  // In a worker, and so without a window's target origin.
  (self as unknown as Worker).postMessage(simulateLevels(data));
});
