/** The loads of a run: all layers at any moment of training, and one layer or expert over time. */
import { balanceReport, type LoadWindow } from '@lpr/metrics';
import {
  expertLoad,
  expertLoadRecord,
  formatMeasure,
  loadHeldOut,
  loadHistory,
  loadHistoryRecord,
  loadRecord,
  loadTraining,
  lorenz,
  lorenzRecord,
  shownMeasures,
} from '@lpr/report';
import type { LevelSource } from '@lpr/report/tables';
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import type { Evaluation, LoadsInfo, RunSummary } from '../src/api.ts';
import { api, useLoads } from './fetching.ts';
import { FigureView } from './figure.tsx';
import { whole } from './format.ts';
import { useParameter } from './navigation.tsx';
import { Head, NumberChoice, Problems } from './parts.tsx';

/** Columns of a layer's history: no more than there are pixels for, and no more cells than a page draws at once. */
function historyPoints({ experts }: LoadsInfo): number {
  return Math.max(40, Math.min(200, Math.floor(40_000 / experts)));
}

interface Props {
  readonly run: RunSummary;
  /** Of the run, as in its pictures. */
  readonly name: string;
  readonly loads: LoadsInfo;
  readonly evaluation: Evaluation | undefined;
  readonly latentDim: number | null;
  readonly levels: LevelSource;
}

/** Loads at a moment, as the figures take them. */
type MomentLoads = Parameters<typeof loadRecord>[1][number] & { readonly text: 'held-out' | 'training' };

/** What the heatmap shows: the newest window, one that the reader chose, or the held-out evaluation. */
type Moment = 'newest' | 'heldOut' | number;

/** As the address says it; what it does not know is the newest one. */
function momentOf(text: string): Moment {
  if (text === 'heldOut') return text;
  const index = Number(text);
  return text !== '' && Number.isInteger(index) && index >= 0 ? index : 'newest';
}

/** A parameter of the address that is a number below `count`; by itself 0. */
function useNumber(name: string, count: number): [number, (value: number) => void] {
  const [text, set] = useParameter(name, '0');
  const value = Number(text);
  return [Number.isInteger(value) && value >= 0 && value < count ? value : 0, (next) => set(String(next))];
}

export function Loads({ run, name, loads, evaluation, latentDim, levels }: Props): JSX.Element {
  const heldOut = evaluation?.counts ?? undefined;
  const [written, write] = useParameter('moment', 'newest');
  const moment = momentOf(written);
  const setMoment = (next: Moment): void => write(String(next));
  const [layer, setLayer] = useNumber('layer', loads.layers);
  const [expert, setExpert] = useNumber('expert', loads.experts);
  const last = Math.max(0, loads.windows - 1);
  const index = typeof moment === 'number' ? Math.min(moment, last) : last;
  const { data, error } = useLoads(
    loads.windows === 0 ? null : api('loads', { run: run.id, from: index, to: index }),
    // The newest window of a run that resumes may be another one under the same number.
    moment === 'newest' ? run : undefined,
    true,
  );
  const window = data?.windows[0];
  const shown = useMemo((): MomentLoads | undefined => {
    if (moment === 'heldOut' && evaluation !== undefined && heldOut !== undefined) {
      const { evaluatedTokens: tokens, step } = evaluation;
      return { text: 'held-out', name, counts: heldOut, tokens, step, latentDim };
    }
    return window === undefined ? undefined : { text: 'training', name, ...window, latentDim };
  }, [moment === 'heldOut', heldOut, window, name, latentDim]);
  const when =
    moment === 'heldOut'
      ? `held-out text after step ${whole(evaluation?.step)}`
      : window === undefined
        ? ''
        : `training until step ${whole(window.step)}`;
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
              Moment <output class="soft">{when}</output>
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
        {shown === undefined ? (
          <p class="soft waiting">{loads.windows === 0 ? 'No logging window has closed yet.' : 'Reading the loads…'}</p>
        ) : (
          <FigureView
            make={() =>
              (shown.text === 'held-out' ? loadHeldOut : loadTraining).picture(
                loadRecord(shown.text, [shown], { levels }),
              )
            }
            inputs={[shown, levels]}
            noteLines={2}
            onPick={pick}
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
        <LayerHistory run={run} name={name} loads={loads} layer={layer} expert={expert} onPick={setExpert} />
        {shown?.counts[layer] !== undefined && (
          <LayerNow loads={shown} layer={layer} levels={levels} when={when} chosen={expert} choose={setExpert} />
        )}
      </section>
    </>
  );
}

function LayerHistory({
  run,
  name,
  loads,
  layer,
  expert,
  onPick,
}: {
  run: RunSummary;
  name: string;
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
  return (
    <>
      <FigureView
        make={() => loadHistory.picture(loadHistoryRecord(name, data, [{ layer, at: 0 }], loads.windows))}
        inputs={[data, name, layer, loads.windows]}
        onPick={(_, [, row = 0]) => onPick(row)}
      />
      <FigureView
        make={() => expertLoad.picture(expertLoadRecord(name, { layer, expert, windows }))}
        inputs={[windows, name, layer, expert]}
      />
    </>
  );
}

function LayerNow({
  loads,
  layer,
  levels,
  when,
  chosen,
  choose,
}: {
  loads: MomentLoads;
  layer: number;
  levels: LevelSource;
  when: string;
  chosen: number;
  choose: (expert: number) => void;
}): JSX.Element {
  const counts: LoadWindow['counts'][number] = loads.counts[layer]!;
  const report = balanceReport(counts);
  const total = Array.from(counts).reduce((sum, count) => sum + count, 0);
  const ranked = Array.from(counts, (count, expert) => ({ expert, count })).toSorted((a, b) => b.count - a.count);
  const name = `Layer ${layer}, ${when}`;
  const measures = shownMeasures('short').map(
    ({ key, title, decimals }) => `${title} ${formatMeasure(report[key], decimals)}`,
  );
  return (
    <div class="split">
      <FigureView
        make={() => lorenz.picture(lorenzRecord(loads.text, [{ ...loads, counts: [counts] }], { levels }, layer))}
        inputs={[loads, layer, levels]}
      />
      <div>
        <h3>{name}</h3>
        <p class="soft">
          {measures.join(' · ')} ·{' '}
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
                  <td>{formatMeasure(total === 0 ? null : (count * counts.length) / total)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </div>
    </div>
  );
}
