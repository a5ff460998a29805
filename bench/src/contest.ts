/** Engines beside each other at the same work: who takes part, whether they agree, how long each takes. */
import { createWasmDevice } from '@lpr/tensor';
import type { Table } from './bench.ts';
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

/** Starts all peers; those that do not start are named in the notes. */
async function openPeers(notes: string[]): Promise<Engine[]> {
  const engines: Engine[] = [];
  for (const name of Object.keys(peers)) {
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
 * A timing for each engine, in their order; null where it has no such op. The first engine's result is the one that the
 * others' are compared with; who differs is named in the notes.
 */
async function contest(
  { what, work }: Entry,
  engines: readonly Engine[],
  notes: string[],
  failures: Map<string, string[]>,
  options: MeasureOptions,
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
      const failure = `${name} left out (${messageOf(error)})`;
      failures.set(failure, [...(failures.get(failure) ?? []), what]);
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

/** Ours with as many threads as the ratios are of. */
const COMPARED = ['ours 1T', 'ours 2T'];

/**
 * How many times faster than the best of the other JavaScript engines each of COMPARED is; null where none did the
 * work.
 */
function ratiosToBestPeer(engines: readonly Engine[], timings: readonly (Timing | null)[]): (string | null)[] {
  const medians = (wanted: (name: string) => boolean): number[] =>
    engines.flatMap(({ name }, i) => (timings[i] && wanted(name) ? [timings[i].median] : []));
  const best = Math.min(...medians((name) => !name.startsWith('ours') && !name.startsWith('PyTorch')));
  return COMPARED.map((own) => {
    const [median] = medians((name) => name === own);
    return median === undefined || !Number.isFinite(best) ? null : (best / median).toFixed(2);
  });
}

/** One piece of work of a contest. */
export interface Entry {
  readonly what: string;
  readonly work: Work;
}

/**
 * Engines beside each other: a row for each piece of work, a column for each engine that did any, and how ours compare
 * with the best of the other JavaScript engines.
 *
 * @param cells what a row says of the timings, one cell an engine
 * @param own ours, the first one the measure of the others
 */
export async function contestTable<E extends Entry>(
  { title, head, notes }: { readonly title: string; readonly head: string; readonly notes: readonly string[] },
  entries: readonly E[],
  cells: (timings: readonly (Timing | null)[], entry: E) => (string | null)[],
  own: readonly Engine[],
  options: MeasureOptions = {},
): Promise<Table> {
  const allNotes = [
    ...notes,
    'ours / best JS: how many times faster than the best other JavaScript engine, on whatever threads.',
  ];
  const engines = [...own, ...(await openPeers(allNotes))];
  const failures = new Map<string, string[]>();
  const rows: { what: string; cells: (string | null)[]; ratios: (string | null)[] }[] = [];
  const tookPart = new Set<number>();
  for (const entry of entries) {
    const timings = await contest(entry, engines, allNotes, failures, options);
    for (const [i, timing] of timings.entries()) if (timing !== null) tookPart.add(i);
    rows.push({ what: entry.what, cells: cells(timings, entry), ratios: ratiosToBestPeer(engines, timings) });
  }
  for (const engine of engines) await engine.close();
  const shown = <Value>(perEngine: readonly Value[]): Value[] => perEngine.filter((_, i) => tookPart.has(i));
  return {
    title,
    columns: [head, ...shown(engines.map(({ name }) => name)), ...COMPARED.map((name) => `${name} / best JS`)],
    rows: rows.map((row) => [row.what, ...shown(row.cells), ...row.ratios]),
    notes: [
      ...allNotes,
      ...Array.from(failures, ([failure, what]) =>
        what.length === entries.length ? failure : `${failure}: ${what.join('; ')}`,
      ),
    ],
  };
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
