/** Reference levels, each size simulated once. */
import type { ReferenceLevel } from '@lpr/charts';
import { useEffect, useState } from 'preact/hooks';
import type { LevelsSize } from '../src/levels.ts';

const NONE: readonly ReferenceLevel[] = [];
const known = new Map<string, readonly ReferenceLevel[]>();
const asked = new Set<string>();
const answered = new EventTarget();
let worker: Worker | null = null;

/** The levels of a size; none until they are simulated. */
export function useLevels(size: LevelsSize): readonly ReferenceLevel[] {
  const key = JSON.stringify(size);
  const [, redraw] = useState(0);
  useEffect(() => {
    if (size.tokens <= 0 || size.topK > size.experts || known.has(key)) return undefined;
    const update = (): void => redraw((count) => count + 1);
    answered.addEventListener(key, update);
    ask(key, size);
    return () => answered.removeEventListener(key, update);
  }, [key]);
  return known.get(key) ?? NONE;
}

function ask(key: string, size: LevelsSize): void {
  if (asked.has(key)) return;
  asked.add(key);
  if (worker === null) {
    worker = new Worker('/levels-worker.js', { type: 'module' });
    worker.addEventListener(
      'message',
      ({ data }: MessageEvent<{ size: LevelsSize; levels: readonly ReferenceLevel[] }>) => {
        const answer = JSON.stringify(data.size);
        known.set(answer, data.levels);
        answered.dispatchEvent(new Event(answer));
      },
    );
  }
  worker.postMessage(size);
}
