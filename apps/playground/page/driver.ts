/** The one playground of the page, its workers, and what its parts see of it. */
import { useEffect, useState } from 'preact/hooks';
import { Playground, type PlaygroundState } from '../src/playground.ts';
import { RemoteTraining, type WorkerPort } from '../src/remote-training.ts';

/** Milliseconds between pictures: 25 a second look alive, and leave time to everything else. */
const PICTURE_EVERY = 40;

const listeners = new Set<() => void>();
let drawn = 0;
let waiting = false;

/** Tells the parts of a change, soon. */
function announce(): void {
  if (waiting) return;
  waiting = true;
  setTimeout(
    () => {
      waiting = false;
      drawn = performance.now();
      for (const listener of listeners) listener();
    },
    Math.max(0, PICTURE_EVERY - (performance.now() - drawn)),
  );
}

const startWorker = (): RemoteTraining =>
  new RemoteTraining(
    new Worker(new URL('../src/worker.ts', import.meta.url), { type: 'module' }) as unknown as WorkerPort,
  );

/** Of each of two models, besides its worker; without isolation, workers cannot share memory. */
function threadsOfEach(): number {
  return crossOriginIsolated ? Math.max(0, Math.min(4, Math.floor(navigator.hardwareConcurrency / 2) - 1)) : 0;
}

export const playground: Playground = new Playground({
  start: startWorker,
  threads: threadsOfEach(),
  // A page that nobody sees draws no frames, and so takes no steps.
  shown: () => new Promise((resolve) => requestAnimationFrame(() => resolve())),
  now: () => performance.now(),
  onChange: announce,
});

/** The state of the playground, as of the last picture. */
export function usePlayground(): PlaygroundState {
  const [state, setState] = useState(playground.state);
  useEffect(() => {
    const listener = (): void => setState(playground.state);
    listeners.add(listener);
    listener();
    return () => listeners.delete(listener);
  }, []);
  return state;
}
