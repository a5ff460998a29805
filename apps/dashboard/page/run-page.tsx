/** Everything about one run, kept up to date while it trains. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Evaluation, RunDetails, RunSummary, SeriesFile } from '../src/api.ts';
import { Curves, GradientNorms, StepTime } from './curves.tsx';
import { api, useJson } from './fetching.ts';
import { ago, bytes, figure, whole } from './format.ts';
import { useLevels } from './levels.ts';
import { useRuns } from './live.ts';
import { Loads } from './loads.tsx';
import { Link, pageOf } from './navigation.tsx';
import { Head, Problems, Status, Tiles } from './parts.tsx';
import { Traces } from './traces.tsx';

/** Points of a curve: about as many as a wide page has pixels for. */
const POINTS = 1000;

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
  const { data: file } = useJson<SeriesFile>(api('series', { run: id, points: POINTS }), live);
  // In hundreds, so that a run under way does not ask for another part at each step.
  const from = Math.floor(((1 - share) * (live?.step ?? 0)) / 100) * 100;
  const { data: part } = useJson<SeriesFile>(
    share === 1 ? null : api('series', { run: id, points: POINTS, from }),
    live,
  );
  const run = live ?? details?.summary;
  useEffect(() => {
    document.title = `${run?.name ?? id} · LPR dashboard`;
  }, [run?.name, id]);
  const { experts = 1, topK = 1, windowTokens = 0 } = details?.loads ?? {};
  const latentDim = Number(details?.settings.find(([path]) => path === 'lpr.latentDim')?.[1] ?? 16);
  const levels = useLevels({ experts, topK, tokens: windowTokens, latentDim });
  if (run === undefined || details === undefined || file === undefined) {
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
  const named = { name: run.name, file };
  const curves = (share === 1 ? file : part) ?? file;
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
            <Curves
              runs={[{ name: run.name, file: curves }]}
              from={share === 1 ? 0 : from}
              references={levels}
              label={`Loss and balance of ${run.name}`}
            />
          </>
        )}
        <p class="soft hint">
          Each point is {curves.valuesPerPoint === 1 ? 'one step' : `the mean of ${curves.valuesPerPoint} steps`}.
        </p>
      </section>
      {details.loads === null ? (
        <section class="panel">
          <h2>Expert loads</h2>
          <p class="soft">
            This run has no <code>loads.bin</code> yet, the record of every expert's load.
          </p>
        </section>
      ) : (
        <Loads run={run} loads={details.loads} evaluation={finished} />
      )}
      <Traces run={run} steps={details.traces} />
      <GradientNorms run={named} />
      <StepTime runs={[named]} />
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
  const where = heldOut ? 'held-out text' : 'newest window';
  return [
    { name: 'Training loss', value: figure(measures.loss), note: 'newest step, nats' },
    { name: 'Test loss', value: figure(measures.testLoss), note: 'held-out text, nats' },
    { name: 'Gini', value: figure(balance.gini), note: where },
    { name: 'Min-max', value: figure(balance.minMax), note: where },
    { name: 'MaxVio', value: figure(balance.maxViolation), note: where },
    { name: 'Tokens a second', value: whole(measures.tokensPerSecond), note: 'newest window' },
    {
      name: 'Experts',
      value: loads === null ? '–' : `${loads.topK} of ${loads.experts}`,
      note: loads === null ? '' : `in ${loads.layers === 1 ? '1 layer' : `${loads.layers} layers`}`,
    },
  ];
}

function Evaluations({ evaluations }: { evaluations: readonly Evaluation[] }): JSX.Element | null {
  if (evaluations.length === 0) return null;
  const domains = [...new Set(evaluations.flatMap(({ domains }) => Object.keys(domains)))];
  return (
    <section class="panel">
      <h2>Evaluations on held-out text</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Evaluations">
        <table>
          <Head
            names={[
              'Step',
              'Loss',
              'Gini',
              'Min-max',
              'MaxVio',
              'I(expert; token)',
              ...domains.map((name) => `Loss, ${name}`),
            ]}
          />
          <tbody>
            {evaluations.toReversed().map((row, i) => (
              <tr key={i}>
                <td>
                  {whole(row.step)}
                  {row.final && <span class="soft"> final</span>}
                </td>
                {[
                  row.loss,
                  row.balance?.mean.gini,
                  row.balance?.mean.minMax,
                  row.balance?.mean.maxViolation,
                  row.mutualInformation,
                ].map((value, column) => (
                  <td key={column}>{figure(value)}</td>
                ))}
                {domains.map((name) => (
                  <td key={name}>{figure(row.domains[name]?.loss)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
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
