/**
 * What experts are chosen for, from the routing traces that evaluations leave: together with which others, for which
 * domains, places and tokens, since when, how steadily.
 */
import {
  coactivation,
  coActivationRecord,
  domains,
  domainsRecord,
  frequencies,
  frequenciesRecord,
  positions,
  positionsRecord,
  saturation,
  saturationRecord,
  stability,
  stabilityRecord,
  vocabulary,
  vocabularyRecord,
} from '@lpr/report';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { RunSummary } from '../src/api.ts';
import { api, useTraces } from './fetching.ts';
import { FigureView } from './figure.tsx';
import { whole } from './format.ts';
import { NumberChoice, Problems } from './parts.tsx';

/** Traces that are read at most, evenly spaced: each is another point of saturation and stability. */
const MOST_TRACES = 24;

interface Props {
  readonly run: RunSummary;
  /** Of the run, as in its pictures. */
  readonly name: string;
  readonly steps: readonly number[];
  /** Tokens in each sequence; null where the settings do not say. */
  readonly sequence: number | null;
}

export function Traces({ steps, ...of }: Props): JSX.Element | null {
  const [opened, setOpened] = useState(false);
  if (steps.length === 0) return null;
  return (
    <details class="panel" onToggle={({ currentTarget }) => setOpened(currentTarget.open)}>
      <summary>
        <h2>What experts are chosen for</h2>
        <span class="soft"> from the routing of held-out tokens at step {whole(steps.at(-1))}</span>
      </summary>
      {opened && <Figures {...of} steps={someOf(steps)} />}
    </details>
  );
}

function Figures({ run, name, steps, sequence }: Props): JSX.Element {
  const [layer, setLayer] = useState(0);
  const { data: traces, error } = useTraces(steps.map((step) => api('trace', { run: run.id, step })));
  const at = (traces ?? []).map((trace, i) => ({ step: steps[i]!, trace }));
  const last = at.at(-1);
  if (last === undefined) {
    return error === undefined ? (
      <p class="soft waiting">Reading the traces…</p>
    ) : (
      <Problems problems={[`The routing traces cannot be read: ${error}`]} />
    );
  }
  return (
    <>
      <div class="controls">
        <NumberChoice name="Layer" count={last.trace.layers} value={layer} onChange={setLayer} />
      </div>
      <FigureView
        make={() => coactivation.picture(coActivationRecord(name, last, [layer]))}
        inputs={[traces, name, layer]}
      />
      {last.trace.domains.length > 1 && (
        <FigureView make={() => domains.picture(domainsRecord(name, last, [layer]))} inputs={[traces, name, layer]} />
      )}
      {sequence !== null && (
        <FigureView
          make={() => positions.picture(positionsRecord(name, last, [layer], sequence))}
          inputs={[traces, name, layer]}
        />
      )}
      <FigureView
        make={() => frequencies.picture(frequenciesRecord(name, last, [layer]))}
        inputs={[traces, name, layer]}
      />
      <FigureView make={() => vocabulary.picture(vocabularyRecord([{ name, ...last }]))} inputs={[traces, name]} />
      {at.length > 1 && (
        <>
          <FigureView
            make={() => saturation.picture(saturationRecord([{ name, traces: at }]))}
            inputs={[traces, name]}
          />
          <FigureView make={() => stability.picture(stabilityRecord([{ name, traces: at }]))} inputs={[traces, name]} />
        </>
      )}
    </>
  );
}

/** At most `MOST_TRACES` of the steps, evenly spaced, the last among them. */
function someOf(steps: readonly number[]): number[] {
  const every = Math.ceil(steps.length / MOST_TRACES);
  return steps.filter((_, i) => (steps.length - 1 - i) % every === 0);
}
