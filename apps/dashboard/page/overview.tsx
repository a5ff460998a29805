/** All runs at a glance. */
import { formatMeasure, leadMeasure } from '@lpr/report/tables';
import type { JSX } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import type { AllSettings, RunSummary } from '../src/api.ts';
import { useJson } from './fetching.ts';
import { ago, whole } from './format.ts';
import { useRuns } from './live.ts';
import { Link, navigate, pageOf, useParameter, useParameters } from './navigation.tsx';
import { FEW_TAGS, Sparkline, Status, Tags } from './parts.tsx';
import { RunTable } from './run-table.tsx';
import { matches, withSettings } from './search.ts';

const ORDERS: Readonly<Record<string, (a: RunSummary, b: RunSummary) => number>> = {
  newest: (a, b) => b.updatedAt - a.updatedAt,
  name: (a, b) => (a.id < b.id ? -1 : 1),
  'best balance': (a, b) => imbalanceOf(a) - imbalanceOf(b),
  'lowest loss': (a, b) =>
    (a.measures.testLoss ?? a.measures.loss ?? Infinity) - (b.measures.testLoss ?? b.measures.loss ?? Infinity),
};

/** How far from balance; what is not known comes last. */
function imbalanceOf({ measures }: RunSummary): number {
  const value = measures.balance[leadMeasure.key] ?? null;
  if (value === null) return Infinity;
  return leadMeasure.growsWithBalance ? -value : value;
}

export function Overview(): JSX.Element {
  const { runs, folder } = useRuns();
  const [filter, setFilter] = useParameter('filter', '');
  const [order, setOrder] = useParameter('order', 'newest');
  const [shape, setShape] = useParameter('as', 'cards');
  const [chosen, setChosen] = useParameters('chosen');
  // Settings of a run do not change while it lives.
  const settings = useJson<AllSettings>('/api/settings', runs?.map(({ id, read }) => `${id} ${read}`).join('\n'));
  const all = useMemo(() => withSettings(runs ?? [], settings.data), [runs, settings.data]);
  useEffect(() => {
    document.title = 'Runs · LPR dashboard';
  }, []);
  if (runs === undefined) return <p class="soft waiting">Reading the runs…</p>;
  if (runs.length === 0) return <Empty folder={folder} />;
  const found = all.filter((each) => matches(each, filter));
  const isTable = shape === 'table';
  const groups = groupsOf(found.map(({ run }) => run).toSorted(ORDERS[order] ?? ORDERS['newest']));
  const findTag = (tag: string): void => setFilter(`tag = ${tag}`);
  const toggle = (id: string): void =>
    setChosen(chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id]);
  return (
    <>
      <div class="heading">
        <h1>Runs</h1>
        <label>
          <span class="soft">Filter</span>{' '}
          <input
            type="search"
            value={filter}
            onInput={({ currentTarget }) => setFilter(currentTarget.value)}
            placeholder="seed 0, finished, gini < 0.1"
          />
        </label>
        {!isTable && (
          <label>
            <span class="soft">Order</span>{' '}
            <select value={order} onChange={({ currentTarget }) => setOrder(currentTarget.value)}>
              {Object.keys(ORDERS).map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        )}
        <button type="button" aria-pressed={isTable} onClick={() => setShape(isTable ? 'cards' : 'table')}>
          Table
        </button>
        <button type="button" disabled={chosen.length < 2} onClick={() => navigate(pageOf('compare', chosen))}>
          Compare{chosen.length > 0 ? ` ${chosen.length}` : ''}
        </button>
      </div>
      {found.length === 0 && <p class="soft">No run matches “{filter}”.</p>}
      {isTable && found.length > 0 && <RunTable {...{ runs: found, order, setOrder, chosen, toggle, findTag }} />}
      {(isTable ? [] : groups).map(([group, members]) => (
        <section key={group} aria-label={group === '' ? 'Runs' : `Runs of ${group}`}>
          {group !== '' && (
            <h2 class="group">
              <Link
                href={pageOf(
                  'compare',
                  members.map(({ id }) => id),
                )}
              >
                {group}
              </Link>
              <span class="soft"> {members.length === 1 ? '1 run' : `${members.length} runs`}</span>
            </h2>
          )}
          <ul class="cards">
            {members.map((run) => (
              <Card
                key={run.id}
                run={run}
                chosen={chosen.includes(run.id)}
                toggle={() => toggle(run.id)}
                findTag={findTag}
              />
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

function Card({
  run,
  chosen,
  toggle,
  findTag,
}: {
  run: RunSummary;
  chosen: boolean;
  toggle: () => void;
  findTag: (tag: string) => void;
}): JSX.Element {
  const { measures, sparklines } = run;
  const progress = run.totalSteps === null ? '' : ` of ${whole(run.totalSteps)}`;
  return (
    <li class={`card ${run.problems.length > 0 ? 'troubled' : ''}`}>
      <div class="card-top">
        <Link href={pageOf('run', [run.id])} class="name">
          {run.name}
        </Link>
        <Status run={run} />
        <input type="checkbox" checked={chosen} onChange={toggle} aria-label={`Choose ${run.name} for a comparison`} />
      </div>
      <p class="soft line">
        {[run.router, run.architecture, run.seed === null ? null : `seed ${run.seed}`].filter(Boolean).join(' · ') ||
          'no settings'}
      </p>
      <dl class="pair">
        <div>
          <dt>{measures.testLoss === null ? 'Training loss' : 'Test loss'}</dt>
          <dd>
            {formatMeasure(measures.testLoss ?? measures.loss)}
            <Sparkline values={sparklines.loss} label={`training loss of ${run.name} over its steps`} />
          </dd>
        </div>
        <div>
          <dt>
            {leadMeasure.title}, {measures.balanceText}
          </dt>
          <dd>
            {formatMeasure(measures.balance[leadMeasure.key], leadMeasure.decimals)}
            <Sparkline
              values={sparklines.balance}
              label={`${leadMeasure.title} of ${run.name} in training, over its steps`}
              floor={0}
            />
          </dd>
        </div>
      </dl>
      <p class="soft line">
        step {whole(run.step)}
        {progress} · {run.updatedAt === 0 ? 'no metrics yet' : ago(run.updatedAt)}
      </p>
      {run.noteStart !== '' && (
        <p class="line" title={run.noteStart}>
          {run.noteStart}
        </p>
      )}
      {run.tags.length > 0 && <Tags tags={run.tags} find={findTag} most={FEW_TAGS} />}
      {run.problems.length > 0 && (
        <p class="problem line" title={run.problems.join('\n')}>
          {run.problems[0]}
        </p>
      )}
    </li>
  );
}

function Empty({ folder }: { folder: string }): JSX.Element {
  return (
    <div class="empty">
      <h1>No runs yet</h1>
      <p>
        <code>{folder}</code> holds no run. Train something, and it appears here while it trains:
      </p>
      <pre>
        pnpm trainer compare --preset tiny <span class="soft"># top-k beside LPR, in seconds</span>
        {'\n'}pnpm trainer <span class="soft"># the same, worth looking at: about three minutes</span>
        {'\n'}pnpm trainer train --router lpr <span class="soft"># one model</span>
      </pre>
      <p class="soft">
        The trainer writes to <code>runs</code>. Runs elsewhere: <code>pnpm dashboard serve FOLDER</code>.
      </p>
    </div>
  );
}

/** Runs by the folder that they lie in, in the order of the first of each. */
function groupsOf(runs: readonly RunSummary[]): [string, RunSummary[]][] {
  const groups = new Map<string, RunSummary[]>();
  for (const run of runs) {
    const members = groups.get(run.group);
    if (members === undefined) groups.set(run.group, [run]);
    else members.push(run);
  }
  return [...groups];
}
