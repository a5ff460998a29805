/** What the server says of all runs, kept up to date while the page is looked at. */
import { useEffect, useState } from 'preact/hooks';
import type { RunList, RunSummary } from '../src/api.ts';

export interface LiveRuns {
  readonly folder: string;
  /** In the order of their ids; undefined before the server first answered. */
  readonly runs: readonly RunSummary[] | undefined;
  readonly connected: boolean;
}

let state: LiveRuns = { folder: '', runs: undefined, connected: false };
const byId = new Map<string, RunSummary>();
const listeners = new Set<(state: LiveRuns) => void>();
let source: EventSource | null = null;
let announced = false;

/** All runs, and again whenever one changes. */
export function useRuns(): LiveRuns {
  const [shown, show] = useState(state);
  useEffect(() => {
    listeners.add(show);
    show(state);
    return () => {
      listeners.delete(show);
    };
  }, []);
  return shown;
}

/** One run's summary: a new object each time that anything of the run changed. */
export function useRun(id: string | null): RunSummary | undefined {
  const { runs } = useRuns();
  return runs?.find((run) => run.id === id);
}

/** Connects, and reconnects each time that the page is looked at again: a browser has few connections to one server. */
export function followRuns(): void {
  const update = (): void => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (source === null) {
      connect();
    }
  };
  document.addEventListener('visibilitychange', update);
  update();
}

function connect(): void {
  source = new EventSource('/api/events');
  let first = true;
  source.addEventListener('runs', (event: MessageEvent<string>) => {
    const list = JSON.parse(event.data) as RunList;
    // The first list after a connection is whole: what it lacks is gone.
    if (first) byId.clear();
    first = false;
    for (const run of list.runs) byId.set(run.id, run);
    for (const id of list.gone) byId.delete(id);
    const runs = [...byId.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
    publish({ folder: list.folder, runs, connected: true });
  });
  source.addEventListener('open', () => {
    first = true;
  });
  source.addEventListener('error', () => publish({ ...state, connected: false }));
}

function publish(next: LiveRuns): void {
  state = next;
  // Many runs may change at once; one drawing of the page shows them all.
  if (announced) return;
  announced = true;
  requestAnimationFrame(() => {
    announced = false;
    for (const listener of listeners) listener(state);
  });
}
