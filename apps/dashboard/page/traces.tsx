/**
 * What experts are chosen for, from the routing traces that evaluations leave: together with which others, for which
 * domains and tokens, since when.
 */
import {
  coactivation,
  coActivationRecord,
  domains,
  domainsRecord,
  saturation,
  saturationRecord,
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

/** Traces that are read at most, evenly spaced: each is another point of the saturation. */
const MOST_TRACES = 24;

/** @param name of the run, as in its pictures */
export function Traces({
  run,
  name,
  steps,
}: {
  run: RunSummary;
  name: string;
  steps: readonly number[];
}): JSX.Element | null {
  const [opened, setOpened] = useState(false);
  if (steps.length === 0) return null;
  return (
    <details class="panel" onToggle={({ currentTarget }) => setOpened(currentTarget.open)}>
      <summary>
        <h2>What experts are chosen for</h2>
        <span class="soft"> from the routing of held-out tokens at step {whole(steps.at(-1))}</span>
      </summary>
      {opened && <Figures run={run} name={name} steps={someOf(steps)} />}
    </details>
  );
}

function Figures({ run, name, steps }: { run: RunSummary; name: string; steps: readonly number[] }): JSX.Element {
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
      <FigureView make={() => vocabulary.picture(vocabularyRecord([{ name, ...last }]))} inputs={[traces, name]} />
      {at.length > 1 && (
        <FigureView make={() => saturation.picture(saturationRecord([{ name, traces: at }]))} inputs={[traces, name]} />
      )}
    </>
  );
}

/** At most `MOST_TRACES` of the steps, evenly spaced, the last among them. */
function someOf(steps: readonly number[]): number[] {
  const every = Math.ceil(steps.length / MOST_TRACES);
  return steps.filter((_, i) => (steps.length - 1 - i) % every === 0);
}
