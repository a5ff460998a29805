/** The loads of a run: all layers at any moment of training, and one layer or expert over time. */
import {
  type HeatmapModel,
  heatmapSize,
  loadHeatmap,
  loadHistory,
  loadHistorySize,
  lorenzCurves,
  lorenzSize,
} from '@lpr/charts';
import { balanceReport, type LoadFile, type LoadWindow } from '@lpr/metrics';
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { Evaluation, LoadsInfo, RunSummary } from '../src/api.ts';
import { ExpertLoad } from './expert.tsx';
import type { Table } from './csv.ts';
import { api, useLoads } from './fetching.ts';
import { Figure } from './figure.tsx';
import { figure, whole } from './format.ts';
import { Head, NumberChoice, Problems } from './parts.tsx';

/** Columns of a layer's history: no more than there are pixels for, and no more cells than a page draws at once. */
function historyPoints({ experts }: LoadsInfo): number {
  return Math.max(40, Math.min(200, Math.floor(40_000 / experts)));
}

interface Props {
  readonly run: RunSummary;
  readonly loads: LoadsInfo;
  readonly evaluation: Evaluation | undefined;
}

/** What the heatmap shows: the newest window, one that the reader chose, or the held-out evaluation. */
type Moment = 'newest' | 'heldOut' | number;

export function Loads({ run, loads, evaluation }: Props): JSX.Element {
  const heldOut = evaluation?.counts ?? undefined;
  const [moment, setMoment] = useState<Moment>('newest');
  const [layer, setLayer] = useState(0);
  const [expert, setExpert] = useState(0);
  const last = Math.max(0, loads.windows - 1);
  const index = typeof moment === 'number' ? Math.min(moment, last) : last;
  const { data, error } = useLoads(
    loads.windows === 0 ? null : api('loads', { run: run.id, from: index, to: index }),
    // The newest window of a run that resumes may be another one under the same number.
    moment === 'newest' ? run : undefined,
    true,
  );
  const window = data?.windows[0];
  const counts = moment === 'heldOut' && heldOut !== undefined ? heldOut : window?.counts;
  const when = moment === 'heldOut' ? 'held-out text' : window === undefined ? '' : `step ${whole(window.step)}`;
  const pick = (_: number, [column = 0, row = 0]: readonly number[]): void => {
    setLayer(row);
    setExpert(column);
  };
  return (
    <>
      <section class="panel">
        <h2>Expert loads</h2>
        <div class="controls">
          <label class="slider">
            <span>
              Moment <output class="soft">{moment === 'heldOut' ? 'held-out text' : when}</output>
            </span>
            <input
              type="range"
              min={0}
              max={last}
              value={index}
              disabled={loads.windows < 2}
              aria-valuetext={when}
              onInput={({ currentTarget }) => setMoment(Number(currentTarget.value))}
            />
          </label>
          <button type="button" aria-pressed={moment === 'newest'} onClick={() => setMoment('newest')}>
            Newest
          </button>
          {heldOut !== undefined && (
            <button type="button" aria-pressed={moment === 'heldOut'} onClick={() => setMoment('heldOut')}>
              Held-out text
            </button>
          )}
        </div>
        <Problems problems={error === undefined ? [] : [`The loads cannot be read: ${error}`]} />
        {counts === undefined ? (
          <p class="soft waiting">{loads.windows === 0 ? 'No logging window has closed yet.' : 'Reading the loads…'}</p>
        ) : (
          <HeatmapFigure
            models={[{ name: `${run.name}, ${when}`, counts }]}
            onPick={pick}
            label={`Expert loads of ${run.name}`}
          />
        )}
        <p class="soft hint">Click a cell, or choose below, to look into a layer and an expert.</p>
      </section>
      <section class="panel">
        <h2>Inside a layer</h2>
        <div class="controls">
          <NumberChoice name="Layer" count={loads.layers} value={layer} onChange={setLayer} />
          <NumberChoice name="Expert" count={loads.experts} value={expert} onChange={setExpert} />
        </div>
        <LayerHistory run={run} loads={loads} layer={layer} expert={expert} onPick={setExpert} />
        {counts?.[layer] !== undefined && (
          <LayerNow run={run} layer={layer} counts={counts[layer]} when={when} chosen={expert} choose={setExpert} />
        )}
      </section>
    </>
  );
}

export function HeatmapFigure({
  models,
  label,
  onPick,
}: {
  models: readonly HeatmapModel[];
  label: string;
  onPick?: (series: number, value: readonly number[]) => void;
}): JSX.Element {
  return (
    <Figure
      label={label}
      inputs={models.flatMap(({ name, counts }) => [name, counts])}
      draw={(width, theme) => {
        const input = { models, maxWidth: width };
        return { option: loadHeatmap(input, theme), size: heatmapSize(input) };
      }}
      table={() => heatmapTable(models)}
      {...(onPick && { onPick })}
    />
  );
}

function LayerHistory({
  run,
  loads,
  layer,
  expert,
  onPick,
}: {
  run: RunSummary;
  loads: LoadsInfo;
  layer: number;
  expert: number;
  onPick: (expert: number) => void;
}): JSX.Element {
  const points = historyPoints(loads);
  const { data, error } = useLoads(
    loads.windows === 0 ? null : api('loads', { run: run.id, from: 0, to: loads.windows - 1, points, layer }),
    undefined,
    true,
  );
  const windows = useMemo(() => data?.windows.map(({ step, counts }) => ({ step, counts: counts[0]! })) ?? [], [data]);
  if (data === undefined)
    return <Problems problems={error === undefined ? [] : [`The loads cannot be read: ${error}`]} />;
  const every = Math.ceil(loads.windows / points);
  return (
    <>
      <Figure
        label={`Loads of layer ${layer} of ${run.name} over its steps`}
        inputs={[data, layer]}
        draw={(width, theme) => {
          const input = {
            panels: [{ name: `Layer ${layer}`, windows }],
            maxWidth: width,
          };
          return { option: loadHistory(input, theme), size: loadHistorySize(input) };
        }}
        table={() => historyTable(data)}
        onPick={(_, [, row = 0]) => onPick(row)}
      />
      {every > 1 && (
        <p class="soft hint">
          {windows.length} of {whole(loads.windows)} logging windows, every {every}th.
        </p>
      )}
      <ExpertLoad run={run} layer={layer} expert={expert} windows={windows} />
    </>
  );
}

function LayerNow({
  run,
  layer,
  counts,
  when,
  chosen,
  choose,
}: {
  run: RunSummary;
  layer: number;
  counts: LoadWindow['counts'][number];
  when: string;
  chosen: number;
  choose: (expert: number) => void;
}): JSX.Element {
  const report = balanceReport(counts);
  const total = Array.from(counts).reduce((sum, count) => sum + count, 0);
  const ranked = Array.from(counts, (count, expert) => ({ expert, count })).toSorted((a, b) => b.count - a.count);
  const name = `Layer ${layer}, ${when}`;
  return (
    <div class="split">
      <Figure
        label={`Lorenz curve of layer ${layer} of ${run.name}`}
        inputs={[name, counts]}
        draw={(width, theme) => {
          const input = { models: [{ name, counts: [counts] }], width: Math.min(width, 440) };
          return { option: lorenzCurves(input, theme), size: lorenzSize(input) };
        }}
        table={() => heatmapTable([{ name, counts: [counts] }])}
      />
      <div>
        <h3>{name}</h3>
        <p class="soft">
          Gini {figure(report.gini)} · min-max {figure(report.minMax)} · MaxVio {figure(report.maxViolation)} ·{' '}
          {report.deadExperts === 0 ? 'no expert dead' : `${report.deadExperts} of ${counts.length} experts dead`}
        </p>
        <div class="scroll" tabIndex={0} role="region" aria-label={`Experts of layer ${layer} by load`}>
          <table>
            <Head names={['Expert', 'Tokens', 'Of the uniform share']} />
            <tbody>
              {ranked.map(({ expert, count }) => (
                <tr key={expert} class={expert === chosen ? 'chosen' : ''}>
                  <td>
                    <button type="button" class="quiet" onClick={() => choose(expert)}>
                      {expert}
                    </button>
                  </td>
                  <td>{whole(count)}</td>
                  <td>{figure(total === 0 ? null : (count * counts.length) / total)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </div>
    </div>
  );
}

function heatmapTable(models: readonly HeatmapModel[]): Table {
  return {
    header: ['model', 'layer', 'expert', 'load'],
    rows: models.flatMap(({ name, counts }) =>
      counts.flatMap((loads, layer) => Array.from(loads, (load, expert) => [name, layer, expert, load])),
    ),
  };
}

function historyTable({ windows, shape }: LoadFile): Table {
  return {
    header: ['step', 'tokens', ...Array.from({ length: shape.experts }, (_, expert) => `expert ${expert}`)],
    rows: windows.map(({ step, tokens, counts }) => [step, tokens, ...Array.from(counts[0]!)]),
  };
}
