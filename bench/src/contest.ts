/** Engines beside each other at the same work: who takes part, whether they agree, how long each takes. */
import type { Column } from '@lpr/report/tables';
import type { Table } from '@lpr/results';
import { createWasmDevice } from '@lpr/tensor';
import { type MeasureOptions, measure, type Timing } from './measure.ts';
import { ours } from './ours.ts';
import { peers } from './peers/index.ts';
import { openRemotePeer } from './remote.ts';
import { agree, type Peer, type PreparedWork, randomInputs, type Work } from './work.ts';

type Cell = Table['rows'][number][string];

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

/** Ours with as many threads as the ratios are of. */
const COMPARED = ['ours 1T', 'ours 2T'];

/**
 * How many times faster than the best of the other JavaScript engines each of COMPARED is; null where none did the
 * work.
 */
function ratiosToBestPeer(engines: readonly Engine[], timings: readonly (Timing | null)[]): (number | null)[] {
  const medians = (wanted: (name: string) => boolean): number[] =>
    engines.flatMap(({ name }, i) => (timings[i] && wanted(name) ? [timings[i].median] : []));
  const best = Math.min(...medians((name) => !name.startsWith('ours') && !name.startsWith('PyTorch')));
  return COMPARED.map((own) => {
    const [median] = medians((name) => name === own);
    return median === undefined || !Number.isFinite(best) ? null : best / median;
  });
}

/** One piece of work of a contest. */
export interface Entry {
  readonly what: string;
  readonly work: Work;
}

/** What a row says of an engine: a number, and one beside it in brackets. */
export interface EngineCell {
  readonly value: number;
  readonly beside?: number;
}

/** What the columns of engines hold. */
export interface Scale<E extends Entry> {
  /** How the numbers of an engine's cells are printed; `what` names the one in brackets. */
  readonly column: Pick<Column, 'decimals' | 'format'> & { readonly beside: { what: string; decimals: number } };
  /** A cell for each engine from their timings. */
  readonly cells: (timings: readonly (Timing | null)[], entry: E) => (EngineCell | null)[];
}

/** Columns for engines by their names. */
export function engineColumns(
  names: readonly string[],
  { decimals, format, beside }: Scale<Entry>['column'],
): Column[] {
  return names.map((name) => ({
    key: name,
    title: name,
    decimals,
    format,
    beside: { key: `${name}, ${beside.what}`, decimals: beside.decimals },
  }));
}

/** The cells of a row under such columns. */
export function engineCells(columns: readonly Column[], cells: readonly (EngineCell | null)[]): Table['rows'][number] {
  return Object.fromEntries(
    columns.flatMap(({ key, beside }, i): [string, Cell][] => {
      const cell = cells[i] ?? null;
      return [
        [key, cell?.value ?? null],
        ...(cell?.beside === undefined ? [] : [[beside!.key, cell.beside] as [string, Cell]]),
      ];
    }),
  );
}

/**
 * Engines beside each other: a row for each piece of work, a column for each engine that did any, and how ours compare
 * with the best of the other JavaScript engines.
 *
 * @param own ours, the first one the measure of the others
 */
export async function contestTable<E extends Entry>(
  { title, head, notes }: { readonly title: string; readonly head: string; readonly notes: readonly string[] },
  entries: readonly E[],
  { column, cells }: Scale<E>,
  own: readonly Engine[],
  options: MeasureOptions = {},
): Promise<Table> {
  const allNotes = [
    ...notes,
    'ours / best JS: how many times faster than the best other JavaScript engine, on whatever threads.',
  ];
  const engines = [...own, ...(await openPeers(allNotes))];
  const failures = new Map<string, string[]>();
  const measured: { entry: E; timings: (Timing | null)[] }[] = [];
  for (const entry of entries) {
    measured.push({ entry, timings: await contest(entry, engines, allNotes, failures, options) });
  }
  for (const engine of engines) await engine.close();
  const tookPart = engines.map((_, i) => measured.some(({ timings }) => timings[i] !== null));
  const shown = <Value>(perEngine: readonly Value[]): Value[] => perEngine.filter((_, i) => tookPart[i]);
  const columns = engineColumns(shown(engines.map(({ name }) => name)), column);
  const ratios = COMPARED.map((name) => ({ key: `${name} / best JS`, title: `${name} / best JS`, decimals: 2 }));
  return {
    title,
    columns: [{ key: head, title: head }, ...columns, ...ratios],
    rows: measured.map(({ entry, timings }) => {
      const best = ratiosToBestPeer(engines, timings);
      return {
        [head]: entry.what,
        ...engineCells(columns, shown(cells(timings, entry))),
        ...Object.fromEntries(ratios.map(({ key }, i) => [key, best[i]!])),
      };
    }),
    notes: [
      ...allNotes,
      ...Array.from(failures, ([failure, what]) =>
        what.length === entries.length ? failure : `${failure}: ${what.join('; ')}`,
      ),
    ],
  };
}

/** Each engine's time, and how many times that of the first one it is. */
export const TIMES: Scale<Entry> = {
  column: { format: 'milliseconds', beside: { what: 'times the first', decimals: 2 } },
  cells: ([first, ...others]) => [
    first ? { value: first.median } : null,
    ...others.map((timing) =>
      timing && first ? { value: timing.median, beside: timing.median / first.median } : null,
    ),
  ],
};

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
