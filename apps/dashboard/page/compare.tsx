/** Several runs beside each other. */
import { lossBalance, lossBalanceSize } from '@lpr/charts';
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { RunDetails, RunSummary, SeriesFile } from '../src/api.ts';
import { Curves, StepTime } from './curves.tsx';
import { api, useAll } from './fetching.ts';
import { Figure } from './figure.tsx';
import { figure, runNames, whole } from './format.ts';
import { useRuns } from './live.ts';
import { HeatmapFigure } from './loads.tsx';
import { Link, navigate, pageOf } from './navigation.tsx';
import { Head, Problems } from './parts.tsx';

/** More lines than this nobody tells apart. */
const MOST_RUNS = 12;
const POINTS = 500;

const MEASURES: readonly (readonly [name: string, of: (run: RunSummary) => number | null | undefined])[] = [
  ['Test loss', ({ measures }) => measures.testLoss],
  ['Training loss', ({ measures }) => measures.loss],
  ['Gini', ({ measures }) => measures.balance.gini],
  ['Min-max', ({ measures }) => measures.balance.minMax],
  ['MaxVio', ({ measures }) => measures.balance.maxViolation],
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
        <Chosen key={ids.join('\n')} runs={chosen.slice(0, MOST_RUNS)} />
      )}
    </>
  );
}

function Choice({ runs, ids }: { runs: readonly RunSummary[]; ids: readonly string[] }): JSX.Element {
  const toggle = (id: string): void => {
    const next = ids.includes(id) ? ids.filter((other) => other !== id) : [...ids, id];
    navigate(pageOf('compare', next), { replace: true });
  };
  return (
    <details class="panel choice" open={ids.length < 2}>
      <summary>
        {ids.length === 1 ? '1 run' : `${ids.length} runs`} of {runs.length} chosen
        {ids.length > MOST_RUNS && `; the first ${MOST_RUNS} are shown`}
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
  const names = runNames(runs);
  const series = useAll<SeriesFile>(
    runs.map((run) => api('series', { run: run.id, points: POINTS })),
    runs,
  );
  const details = useAll<RunDetails>(
    runs.map((run) => api('run', { run: run.id })),
    runs,
  );
  const named = runs.flatMap((_, i) => {
    const file = series[i]?.data;
    return file === undefined || file.series['loss'] === undefined ? [] : [{ name: names[i]!, file }];
  });
  const errors = [...series, ...details].flatMap(({ error }, i) =>
    error === undefined ? [] : [`${names[i % runs.length]}: ${error}`],
  );
  const heldOut = runs.flatMap((_, i) => {
    const counts = details[i]?.data?.evaluations.findLast((evaluation) => evaluation.counts !== null)?.counts;
    return counts?.length ? [{ name: names[i]!, counts }] : [];
  });
  return (
    <>
      <Problems problems={[...new Set(errors)]} />
      <FigureTable runs={runs} names={names} />
      {named.length > 0 && (
        <section class="panel">
          <h2>Loss and balance</h2>
          <Curves runs={named} label={`Loss and balance of ${names.join(', ')}`} />
        </section>
      )}
      <LossAgainstBalance runs={runs} names={names} />
      {heldOut.length > 0 && (
        <section class="panel">
          <h2>Expert loads on held-out text</h2>
          <HeatmapFigure models={heldOut} label={`Expert loads of ${heldOut.map(({ name }) => name).join(', ')}`} />
        </section>
      )}
      <StepTime runs={named} />
      <Differences details={details.map(({ data }) => data)} names={names} />
    </>
  );
}

function FigureTable({ runs, names }: { runs: readonly RunSummary[]; names: readonly string[] }): JSX.Element {
  return (
    <section class="panel">
      <h2>Figures</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Figures of the runs">
        <table>
          <Head
            names={['Run', 'Router', ...MEASURES.map(([name]) => name), 'Tokens a second', 'Step']}
            words={['Router']}
          />
          <tbody>
            {runs.map((run, i) => (
              <tr key={run.id}>
                <th scope="row">
                  <Link href={pageOf('run', [run.id])}>{names[i]}</Link>
                </th>
                <td class="text">{run.router ?? '–'}</td>
                {MEASURES.map(([name, of]) => (
                  <td key={name}>{figure(of(run))}</td>
                ))}
                <td>{whole(run.measures.tokensPerSecond)}</td>
                <td>{whole(run.step)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function LossAgainstBalance({
  runs,
  names,
}: {
  runs: readonly RunSummary[];
  names: readonly string[];
}): JSX.Element | null {
  const [balance, setBalance] = useState<'gini' | 'minMax'>('gini');
  const points = runs.flatMap((run, i) => {
    const { testLoss } = run.measures;
    const { [balance]: level = null } = run.measures.balance;
    return testLoss === null || level === null
      ? []
      : [{ name: names[i]!, ...(run.router !== null && { group: run.router }), loss: testLoss, balance: level }];
  });
  const key = JSON.stringify(points);
  const stable = useMemo(() => points, [key]);
  if (points.length < 2) return null;
  return (
    <section class="panel">
      <h2>Test loss against balance</h2>
      <div class="controls">
        {(['gini', 'minMax'] as const).map((each) => (
          <button key={each} type="button" aria-pressed={balance === each} onClick={() => setBalance(each)}>
            {each === 'gini' ? 'Gini' : 'Min-max'}
          </button>
        ))}
      </div>
      <Figure
        label={`Test loss against ${balance}`}
        inputs={[stable, balance]}
        draw={(width, theme) => {
          const input = { runs: stable, balance, width: Math.min(width, 900) };
          return { option: lossBalance(input, theme), size: lossBalanceSize(input) };
        }}
        table={() => ({
          header: ['run', 'router', 'test loss', balance],
          rows: points.map(({ name, group, loss, balance: level }) => [name, group ?? '', loss, level]),
        })}
      />
      {points.length < runs.length && <p class="soft hint">Runs without an evaluation are left out.</p>}
    </section>
  );
}

/** Settings that are not the same in all runs. */
function Differences({
  details,
  names,
}: {
  details: readonly (RunDetails | undefined)[];
  names: readonly string[];
}): JSX.Element | null {
  const settings = details.map((run) => new Map(run?.settings));
  const paths = [...new Set(settings.flatMap((run) => [...run.keys()]))].filter(
    (path) => new Set(settings.map((run) => run.get(path))).size > 1,
  );
  if (paths.length === 0 || details.includes(undefined)) return null;
  return (
    <section class="panel">
      <h2>Settings that differ</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Settings that differ">
        <table class="settings">
          <Head names={['Setting', ...names]} />
          <tbody>
            {paths.map((path) => (
              <tr key={path}>
                <th scope="row">{path}</th>
                {settings.map((run, i) => (
                  <td key={i}>{run.get(path) ?? '–'}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
