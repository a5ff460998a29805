/** Reference levels, each size simulated once, beside the page. */
import type { LevelSize, LevelSource, RunLevels } from '@lpr/report/tables';
import { useEffect, useMemo, useState } from 'preact/hooks';

const known = new Map<string, RunLevels>();
const asked = new Set<string>();
const answered = new EventTarget();
let worker: Worker | null = null;

/** Levels by their size; those that are not there yet come, and with them another source. */
export function useLevels(): LevelSource {
  const [count, setCount] = useState(known.size);
  useEffect(() => {
    const update = (): void => setCount(known.size);
    answered.addEventListener('levels', update);
    update();
    return () => answered.removeEventListener('levels', update);
  }, []);
  return useMemo(
    () => (size) => {
      const key = JSON.stringify(size);
      const levels = known.get(key);
      if (levels === undefined) ask(key, size);
      return levels;
    },
    [count],
  );
}

function ask(key: string, size: LevelSize): void {
  if (asked.has(key)) return;
  asked.add(key);
  if (worker === null) {
    worker = new Worker('/levels-worker.js', { type: 'module' });
    worker.addEventListener('message', ({ data }: MessageEvent<RunLevels>) => {
      known.set(JSON.stringify(data.size), data);
      answered.dispatchEvent(new Event('levels'));
    });
  }
  worker.postMessage(size);
}
