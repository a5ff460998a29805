/**
 * What experts are chosen for, from the routing traces that evaluations leave: together with which others, for which
 * domains and tokens, since when.
 */
import {
  coActivationMatrix,
  coActivationSize,
  domainSpecialisation as domainFigure,
  domainsSize,
  routerSaturation,
  saturationSize,
  vocabularySize,
  vocabularySpecialisation as vocabularyFigure,
} from '@lpr/charts';
import {
  coActivation,
  domainSpecialisation,
  type RoutingTrace,
  saturation,
  traceLoads,
  vocabularySpecialisation,
} from '@lpr/metrics';
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { RunSummary } from '../src/api.ts';
import { api, useTraces } from './fetching.ts';
import { Figure } from './figure.tsx';
import { whole } from './format.ts';
import { NumberChoice, Problems } from './parts.tsx';

/** Traces that are read at most, evenly spaced: each is another point of the saturation. */
const MOST_TRACES = 24;

export function Traces({ run, steps }: { run: RunSummary; steps: readonly number[] }): JSX.Element | null {
  const [opened, setOpened] = useState(false);
  if (steps.length === 0) return null;
  return (
    <details class="panel" onToggle={({ currentTarget }) => setOpened(currentTarget.open)}>
      <summary>
        <h2>What experts are chosen for</h2>
        <span class="soft"> from the routing of held-out tokens at step {whole(steps.at(-1))}</span>
      </summary>
      {opened && <Figures run={run} steps={someOf(steps)} />}
    </details>
  );
}

function Figures({ run, steps }: { run: RunSummary; steps: readonly number[] }): JSX.Element {
  const [layer, setLayer] = useState(0);
  const { data: traces, error } = useTraces(steps.map((step) => api('trace', { run: run.id, step })));
  const last = traces?.at(-1);
  if (traces === undefined || last === undefined) {
    return error === undefined ? (
      <p class="soft waiting">Reading the traces…</p>
    ) : (
      <Problems problems={[`The routing traces cannot be read: ${error}`]} />
    );
  }
  return (
    <>
      <div class="controls">
        <NumberChoice name="Layer" count={last.layers} value={layer} onChange={setLayer} />
      </div>
      <CoActivation run={run} trace={last} layer={layer} />
      {last.domains.length > 1 && <Domains run={run} trace={last} layer={layer} />}
      <Vocabulary run={run} trace={last} />
      {traces.length > 1 && <Saturation run={run} traces={traces} steps={steps} />}
    </>
  );
}

function CoActivation({ run, trace, layer }: { run: RunSummary; trace: RoutingTrace; layer: number }): JSX.Element {
  const shares = useMemo(() => coActivation(trace, layer).conditional, [trace, layer]);
  return (
    <Figure
      label={`Co-activation of the experts of layer ${layer} of ${run.name}`}
      inputs={[shares]}
      draw={(width, theme) => {
        const input = {
          panels: [{ name: `Layer ${layer}: experts that work together`, shares }],
          maxWidth: Math.min(width, 720),
        };
        return { option: coActivationMatrix(input, theme), size: coActivationSize(input) };
      }}
      table={() => ({
        header: ['expert', ...shares.map((_, other) => `share with expert ${other}`)],
        rows: shares.map((row, expert) => [expert, ...Array.from(row, finite)]),
      })}
    />
  );
}

function Domains({ run, trace, layer }: { run: RunSummary; trace: RoutingTrace; layer: number }): JSX.Element {
  const shares = useMemo(() => domainSpecialisation(trace, layer), [trace, layer]);
  const { domains, experts } = trace;
  return (
    <Figure
      label={`Experts of layer ${layer} of ${run.name} by domain`}
      inputs={[shares]}
      draw={(width, theme) => {
        const panels = [{ name: `Layer ${layer}: experts by domain`, shares }];
        const input = { panels, domains, topK: uniformShare(trace) * experts, maxWidth: width };
        return { option: domainFigure(input, theme), size: domainsSize(input) };
      }}
      table={() => ({
        header: ['domain', ...Array.from({ length: experts }, (_, expert) => `expert ${expert}`)],
        rows: shares.map((row, domain) => [domains[domain]!, ...Array.from(row, finite)]),
      })}
    />
  );
}

function Vocabulary({ run, trace }: { run: RunSummary; trace: RoutingTrace }): JSX.Element {
  const layers = useMemo(
    () => Array.from({ length: trace.layers }, (_, layer) => vocabularySpecialisation(trace, layer)),
    [trace],
  );
  return (
    <Figure
      label={`Vocabulary specialisation of ${run.name}`}
      inputs={[layers]}
      draw={(width, theme) => {
        const input = { runs: [{ name: run.name, layers }], uniform: uniformShare(trace), width: Math.min(width, 760) };
        return { option: vocabularyFigure(input, theme), size: vocabularySize(input) };
      }}
      table={() => ({
        header: ['layer', 'expert', 'specialisation'],
        rows: layers.flatMap((row, layer) => Array.from(row, (value, expert) => [layer, expert, finite(value)])),
      })}
    />
  );
}

function Saturation({
  run,
  traces,
  steps,
}: {
  run: RunSummary;
  traces: readonly RoutingTrace[];
  steps: readonly number[];
}): JSX.Element {
  const points = useMemo(
    () => traces.map((trace, i) => ({ step: steps[i]!, layers: saturation(trace, traces.at(-1)!) })),
    [traces],
  );
  return (
    <Figure
      label={`Router saturation of ${run.name}`}
      inputs={[points]}
      draw={(width, theme) => {
        const input = {
          runs: [{ name: run.name, points }],
          chance: uniformShare(traces.at(-1)!),
          width: Math.min(width, 760),
        };
        return { option: routerSaturation(input, theme), size: saturationSize(input) };
      }}
      table={() => ({
        header: ['step', 'layer', 'saturation'],
        rows: points.flatMap(({ step, layers }) => Array.from(layers, (value, layer) => [step, layer, finite(value)])),
      })}
    />
  );
}

/** The share of the tokens that an expert gets when all get as many: experts of a token over all experts. */
function uniformShare(trace: RoutingTrace): number {
  const pairs = traceLoads(trace, 0).reduce((sum, load) => sum + load, 0);
  return pairs / (trace.tokens * trace.experts);
}

/** At most `MOST_TRACES` of the steps, evenly spaced, the last among them. */
function someOf(steps: readonly number[]): number[] {
  const every = Math.ceil(steps.length / MOST_TRACES);
  return steps.filter((_, i) => (steps.length - 1 - i) % every === 0);
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
