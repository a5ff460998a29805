/** Everything about one run, kept up to date while it trains. */
import {
  CURVE_POINTS,
  curves as curvesFigure,
  curvesRecord,
  decisions,
  evaluationsTable,
  formatMeasure,
  gradients,
  type Picture,
  ranks,
  type RunParts,
  shownExperts,
  shownMeasures,
  specialisationBalance,
  stepTime,
} from '@lpr/report';
import { decisionsOverLayers } from '@lpr/runs/browser';
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Evaluation, RunDetails, RunSummary, SeriesFile } from '../src/api.ts';
import { api, exactSeries, useJson } from './fetching.ts';
import { FigureView, RunFigure } from './figure.tsx';
import { ago, bytes, whole } from './format.ts';
import { useLevels } from './levels.ts';
import { useRuns } from './live.ts';
import { Loads } from './loads.tsx';
import { Link, pageOf } from './navigation.tsx';
import { Note } from './note.tsx';
import { Problems, Status, Tiles } from './parts.tsx';
import { RecordTable } from './record-table.tsx';
import { namesOf, partsOf } from './run-parts.ts';
import { Traces } from './traces.tsx';

/** Parts of the run, up to its newest step, that its curves can show. */
const SHARES = [
  ['All steps', 1],
  ['Last half', 0.5],
  ['Last tenth', 0.1],
  ['Last hundredth', 0.01],
] as const;

export function RunPage({ id }: { id: string }): JSX.Element {
  const { runs } = useRuns();
  const live = runs?.find((run) => run.id === id);
  const { data: details, error } = useJson<RunDetails>(api('run', { run: id }), live);
  const [share, setShare] = useState<number>(1);
  const { data: file } = useJson<SeriesFile>(api('series', { run: id, points: CURVE_POINTS }), live);
  // In hundreds, so that a run under way does not ask for another part at each step.
  const from = Math.floor(((1 - share) * (live?.step ?? 0)) / 100) * 100;
  const { data: part } = useJson<SeriesFile>(
    share === 1 ? null : api('series', { run: id, points: CURVE_POINTS, from }),
    live,
  );
  const run = live ?? details?.summary;
  useEffect(() => {
    document.title = `${run?.name ?? id} · LPR dashboard`;
  }, [run?.name, id]);
  const levels = useLevels();
  const parts = useMemo(
    () => (details === undefined || file === undefined ? undefined : partsOf(namesOf([details])[0]!, details, file)),
    [details, file],
  );
  const alone = useMemo(() => (parts === undefined ? [] : [parts]), [parts]);
  if (run === undefined || details === undefined || file === undefined || parts === undefined) {
    return error === undefined ? (
      <p class="soft waiting">Reading the run…</p>
    ) : (
      <>
        <h1>{id}</h1>
        <Problems problems={[error]} />
        <Link href="/">All runs</Link>
      </>
    );
  }
  const finished = details.evaluations.findLast(({ final }) => final);
  const { name, window } = parts;
  const { latentDim } = details.facts;
  const curves = (share === 1 ? file : part) ?? file;
  const first = share === 1 ? 0 : from;
  const curvesOf = (own: SeriesFile): Picture =>
    curvesFigure.picture(curvesRecord([{ name, file: own, window, latentDim }], { levels }, first));
  const exact = async (wanted: readonly string[]): Promise<readonly RunParts[]> => [
    { ...parts, series: { value: await exactSeries(id, wanted) } },
  ];
  return (
    <>
      <div class="heading">
        <h1>{run.name}</h1>
        <Status run={run} />
        <span class="soft">{[run.group, run.router, run.architecture].filter(Boolean).join(' · ')}</span>
        <span class="grow" />
        <Link href={pageOf('compare', siblings(run, runs ?? []))}>Compare</Link>
        <Link href={pageOf('explore', [run.id])}>Explore routing</Link>
      </div>
      <Problems problems={run.problems} />
      <Progress run={run} />
      <Tiles tiles={tilesOf(run, details)} />
      <Note run={id} note={details.note} />
      <section class="panel">
        <h2>Loss and balance</h2>
        {run.step === 0 ? (
          <p class="soft">No step is written yet.</p>
        ) : (
          <>
            <div class="controls" hidden={(run.totalSteps ?? run.step) < 100}>
              {SHARES.map(([name, value]) => (
                <button key={name} type="button" aria-pressed={share === value} onClick={() => setShare(value)}>
                  {name}
                </button>
              ))}
            </div>
            <FigureView
              make={() => curvesOf(curves)}
              exact={async () => curvesOf(await exactSeries(id, curvesFigure.series, first))}
              inputs={[parts, curves, levels, share, from]}
              noteLines={3}
            />
          </>
        )}
      </section>
      {details.loads === null ? (
        <section class="panel">
          <h2>Expert loads</h2>
          <p class="soft">
            This run has no <code>loads.bin</code> yet, the record of every expert's load.
          </p>
        </section>
      ) : (
        <Loads
          run={run}
          name={name}
          loads={details.loads}
          evaluation={finished}
          latentDim={latentDim}
          levels={levels}
        />
      )}
      <Traces run={run} name={name} steps={details.traces} sequence={details.facts.sequenceLength} />
      <RunFigure figure={decisions} runs={alone} levels={levels} />
      {details.evaluations.length > 1 && <RunFigure figure={specialisationBalance} runs={alone} levels={levels} />}
      <RunFigure figure={gradients} runs={alone} levels={levels} exact={exact} />
      <RunFigure figure={stepTime} runs={alone} levels={levels} />
      <RunFigure figure={ranks} runs={alone} levels={levels} exact={exact} />
      <Evaluations evaluations={details.evaluations} />
      <Settings details={details} />
    </>
  );
}

function Progress({ run }: { run: RunSummary }): JSX.Element | null {
  if (run.totalSteps === null) return null;
  const left = run.totalSteps - run.step;
  return (
    <div class="progress">
      <progress max={run.totalSteps} value={run.step} aria-label="Steps done" />
      <span class="soft">
        step {whole(run.step)} of {whole(run.totalSteps)}
        {run.status === 'running' && left > 0 ? ', training' : ''}
        {run.updatedAt === 0 ? '' : ` · ${ago(run.updatedAt)}`}
      </span>
    </div>
  );
}

function tilesOf(
  { measures }: RunSummary,
  { evaluations, loads }: RunDetails,
): { name: string; value: string; note?: string }[] {
  const { balance } = measures;
  const heldOut = evaluations.some(({ final }) => final);
  const where = heldOut ? 'held-out text' : 'training, newest window';
  return [
    { name: 'Training loss', value: formatMeasure(measures.loss), note: 'newest step, nats' },
    { name: 'Test loss', value: formatMeasure(measures.testLoss), note: 'held-out text, nats' },
    ...shownMeasures('short').map(({ key, title, decimals }) => ({
      name: title,
      value: formatMeasure(balance[key], decimals),
      note: where,
    })),
    { name: 'Tokens a second', value: whole(measures.tokensPerSecond), note: 'newest window' },
    {
      name: 'Experts',
      value: loads === null ? '-' : `${shownExperts(loads.expertsPerToken) ?? loads.topK} of ${loads.experts}`,
      note: loads === null ? '' : `in ${loads.layers === 1 ? '1 layer' : `${loads.layers} layers`}`,
    },
  ];
}

function Evaluations({ evaluations }: { evaluations: readonly Evaluation[] }): JSX.Element | null {
  if (evaluations.length === 0) return null;
  const table = evaluationsTable(
    evaluations.map(({ balance, mutualInformation, mutualInformationBias, ...line }) => ({
      ...line,
      mean: balance?.mean ?? null,
      worst: balance?.worst ?? null,
      information: mutualInformation === null ? null : mutualInformation - (mutualInformationBias ?? 0),
      decisions: decisionsOverLayers(line),
    })),
  );
  return (
    <section class="panel">
      <h2>{table.title}</h2>
      <RecordTable table={table} label="Evaluations" />
    </section>
  );
}

function Settings({ details }: { details: RunDetails }): JSX.Element {
  const { settings, files, summary } = details;
  return (
    <section class="panel">
      <h2>Settings and files</h2>
      <p class="files">
        {files.map(({ name, bytes: size }) => (
          <a key={name} href={api('file', { run: summary.id, name })} download={name}>
            {name} <span class="soft">{bytes(size)}</span>
          </a>
        ))}
      </p>
      {settings.length > 0 && (
        <details>
          <summary>All {settings.length} settings</summary>
          <table class="settings">
            <tbody>
              {settings.map(([path, value]) => (
                <tr key={path}>
                  <th scope="row">{path}</th>
                  <td>{value}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </details>
      )}
    </section>
  );
}

/** The run with those of its comparison, or alone. */
function siblings(run: RunSummary, runs: readonly RunSummary[]): string[] {
  if (run.group === '') return [run.id];
  return [run.id, ...runs.filter(({ group, id }) => group === run.group && id !== run.id).map(({ id }) => id)];
}
