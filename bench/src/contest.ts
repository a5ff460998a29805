/** Engines beside each other at the same work: who takes part, whether they agree, how long each takes. */
import { createWasmDevice } from '@lpr/tensor';
import { type MeasureOptions, measure, type Timing } from './measure.ts';
import { ours } from './ours.ts';
import { peers } from './peers/index.ts';
import { openRemotePeer } from './remote.ts';
import { agree, type Peer, type PreparedWork, randomInputs, type Work } from './work.ts';

export interface Engine {
  readonly name: string;
  readonly peer: Peer;
  close(): Promise<void>;
}

/** A device of ours by the name of its settings. */
export async function openOurs(name: string, options: { threads: number; relaxedSimd?: boolean }): Promise<Engine> {
  const device = await createWasmDevice(options);
  return { name, peer: ours(device), close: async () => await device.dispose() };
}

/** Starts the peers whose name begins with one of the words; those that do not start are named in the notes. */
export async function openPeers(words: readonly string[], notes: string[]): Promise<Engine[]> {
  const engines: Engine[] = [];
  for (const name of Object.keys(peers).filter((name) => words.some((word) => name.startsWith(word)))) {
    try {
      const { close, ...peer } = await openRemotePeer(name);
      engines.push({ name, peer, close: async () => close() });
    } catch (error) {
      notes.push(`${name} left out: ${messageOf(error)}`);
    }
  }
  return engines;
}

/**
 * A timing for each engine, in their order; null where it has no such op. The first engine's result is the one that the others'
 * are compared with; who differs is named in the notes.
 */
export async function contest(
  what: string,
  work: Work,
  engines: readonly Engine[],
  notes: string[],
  options: MeasureOptions = {},
): Promise<(Timing | null)[]> {
  const inputs = randomInputs(work);
  const prepared: (PreparedWork | null)[] = [];
  let expected: Float32Array | undefined;
  for (const { name, peer } of engines) {
    try {
      const own = await peer.prepare(work, inputs);
      const result = await own.result();
      expected ??= result;
      if (!agree(work, expected, result)) notes.push(`${name} gives another result: ${what}`);
      prepared.push(own);
    } catch (error) {
      notes.push(`${name} left out of ${what}: ${messageOf(error)}`);
      prepared.push(null);
    }
  }
  const timings = await measure(
    prepared.filter((own) => own !== null),
    options,
  );
  return prepared.map((own) => (own === null ? null : timings.shift()!));
}

/** `1.25 ms`, `31.0 us` or `96 ns`. */
export function formatTime(milliseconds: number): string {
  if (milliseconds >= 1) return `${milliseconds.toFixed(2)} ms`;
  return milliseconds >= 1e-3 ? `${(1e3 * milliseconds).toFixed(1)} us` : `${(1e6 * milliseconds).toFixed(0)} ns`;
}

/** Cells of a row: the first engine's time, then each one's time and how many times that of the first it is. */
export function timeCells([first, ...others]: readonly (Timing | null)[]): (string | null)[] {
  return [
    first ? formatTime(first.median) : null,
    ...others.map((timing) =>
      timing && first ? `${formatTime(timing.median)} (${(timing.median / first.median).toFixed(2)})` : null,
    ),
  ];
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
