/** Several runs beside each other. */
import {
  curves,
  decisions,
  differencesTable,
  type Figure,
  loadHeldOut,
  lossBalance,
  lossTokensHeldOut,
  lossTokensTraining,
  overviewRuns,
  overviewTable,
  parallelCoordinates,
  ranks,
  type RunParts,
  settingNames,
  settingPlaces,
  specialisationBalance,
  stepTime,
} from '@lpr/report';
import type { JSX } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import type { RunDetails, RunSummary, SeriesFile } from '../src/api.ts';
import { api, exactSeries, useAll } from './fetching.ts';
import { RunFigure } from './figure.tsx';
import { Key, useKey } from './key.tsx';
import { useLevels } from './levels.ts';
import { useRuns } from './live.ts';
import { pageOf, useParameter, useParameters } from './navigation.tsx';
import { Problems } from './parts.tsx';
import { RecordTable } from './record-table.tsx';
import { namesOf, partsOf } from './run-parts.ts';

const POINTS = 500;

const SHOWN: readonly Figure[] = [
  curves,
  lossBalance,
  lossTokensHeldOut,
  lossTokensTraining,
  specialisationBalance,
  parallelCoordinates,
  loadHeldOut,
  decisions,
  stepTime,
  ranks,
];

export function Compare({ ids }: { ids: readonly string[] }): JSX.Element {
  const { runs } = useRuns();
  useEffect(() => {
    document.title = 'Compare · LPR dashboard';
  }, []);
  if (runs === undefined) return <p class="soft waiting">Reading the runs…</p>;
  const chosen = ids.flatMap((id) => runs.find((run) => run.id === id) ?? []);
  const missing = ids.filter((id) => !runs.some((run) => run.id === id));
  return (
    <>
      <div class="heading">
        <h1>Compare</h1>
      </div>
      <Problems problems={missing.map((id) => `There is no run “${id}” in this folder.`)} />
      <Choice runs={runs} ids={ids} />
      {chosen.length === 0 ? (
        <p class="soft">Choose the runs to set beside each other.</p>
      ) : (
        <Chosen key={ids.join('\n')} runs={chosen} />
      )}
    </>
  );
}

function Choice({ runs, ids }: { runs: readonly RunSummary[]; ids: readonly string[] }): JSX.Element {
  const [, choose] = useParameters('run');
  const toggle = (id: string): void => {
    choose(ids.includes(id) ? ids.filter((other) => other !== id) : [...ids, id]);
  };
  return (
    <details class="panel choice" open={ids.length < 2}>
      <summary>
        {ids.length === 1 ? '1 run' : `${ids.length} runs`} of {runs.length} chosen
      </summary>
      <ul>
        {runs.map((run) => (
          <li key={run.id}>
            <label>
              <input type="checkbox" checked={ids.includes(run.id)} onChange={() => toggle(run.id)} /> {run.id}
              <span class="soft"> {run.router}</span>
            </label>
          </li>
        ))}
      </ul>
    </details>
  );
}

function Chosen({ runs }: { runs: readonly RunSummary[] }): JSX.Element {
  const series = useAll<SeriesFile>(
    runs.map((run) => api('series', { run: run.id, points: POINTS })),
    runs,
  );
  const details = useAll<RunDetails>(
    runs.map((run) => api('run', { run: run.id })),
    runs,
  );
  const levels = useLevels();
  const [rowsOf, setRowsOf] = useParameter('rows', 'settings');
  const [less, setLess] = useParameter('less', '');
  const read = runs.flatMap((run, i) => {
    const [file, own] = [series[i]?.data, details[i]?.data];
    return file === undefined || own === undefined ? [] : [{ run, file, details: own }];
  });
  const names = namesOf(read.map((each) => each.details));
  const { parts, own } = useMemo(
    (): { parts: RunParts[]; own: RunDetails[] } => ({
      parts: read.map((each, i) => partsOf(names[i]!, each.details, each.file)),
      own: read.map((each) => each.details),
    }),
    [...series, ...details].map(({ data }) => data),
  );
  const key = useKey(parts, own);
  const exact = async (wanted: readonly string[]): Promise<RunParts[]> =>
    await Promise.all(
      key.shown.map(async (part) => ({
        ...part,
        series: { value: await exactSeries(read[names.indexOf(part.name)]!.run.id, wanted) },
      })),
    );
  const errors = [...series, ...details].flatMap(({ error }, i) =>
    error === undefined ? [] : [`${runs[i % runs.length]!.name}: ${error}`],
  );
  if (read.length === 0) {
    return errors.length === 0 ? <p class="soft waiting">Reading the runs…</p> : <Problems problems={errors} />;
  }
  // Of runs evaluated once it has a point each at its edge, which the loss against balance shows better.
  const hasLines = own.some(({ evaluations }) => evaluations.length > 1);
  const rows = overviewRuns(
    parts,
    read.map(({ run }) => run.name),
    { levels },
  ).map((row, i) => {
    const { step, measures } = read[i]!.run;
    return { ...row, step, trainingLoss: measures.loss, tokensPerSecond: measures.tokensPerSecond };
  });
  // In the order of the rows, not of those that the legend leaves.
  const settings = settingNames(
    own.map(({ summary: { id, name }, settings: each }) => ({ name, path: id, settings: new Map(each) })),
  );
  const hasSeeds = settings.some((setting) => setting !== undefined);
  const isBySetting = hasSeeds && rowsOf !== 'runs';
  const places = isBySetting ? settingPlaces(settings) : rows.map((_, i) => [i]);
  const rowNames = places.map(([place]) => settings[place!] ?? names[place!]!);
  const baseline = rowNames.includes(less) ? less : rowNames[0]!;
  const table = overviewTable(rows, isBySetting ? settings : [], baseline);
  const hrefOf = (row: number): string | undefined => {
    const ids = places[row]?.map((place) => read[place]!.run.id);
    return ids === undefined ? undefined : pageOf(ids.length === 1 ? 'run' : 'compare', ids);
  };
  const differences = differencesTable(
    own.map(({ settings }, i) => ({ name: names[i]!, settings: new Map(settings) })),
  );
  return (
    <>
      <Problems problems={[...new Set(errors)]} />
      <section class="panel">
        <h2>{table.title}</h2>
        {hasSeeds && (
          <div class="controls">
            {(['settings', 'runs'] as const).map((each) => (
              <button key={each} type="button" aria-pressed={rowsOf === each} onClick={() => setRowsOf(each)}>
                {each === 'settings' ? 'Seeds together' : 'Each run'}
              </button>
            ))}
            {isBySetting && places.length > 1 && (
              <label>
                <span class="soft">Differences to</span>{' '}
                <select value={baseline} onChange={({ currentTarget }) => setLess(currentTarget.value)}>
                  {rowNames.map((name) => (
                    <option key={name}>{name}</option>
                  ))}
                </select>
              </label>
            )}
          </div>
        )}
        <RecordTable table={table} label="Measures of the runs" hrefOf={hrefOf} />
      </section>
      {parts.length > 1 && <Key state={key} />}
      {SHOWN.filter((figure) => hasLines || figure !== lossTokensHeldOut).map((figure) => (
        <RunFigure key={figure.name} figure={figure} runs={key.shown} levels={levels} exact={exact} />
      ))}
      {differences !== null && (
        <section class="panel">
          <h2>{differences.title}</h2>
          <RecordTable table={differences} label={differences.title} />
        </section>
      )}
    </>
  );
}
