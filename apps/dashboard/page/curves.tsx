/** Figures over the steps of one or several runs. */
import { curvesSize, gradientNorms, gradientsSize, stepTime, stepTimeSize, trainingCurves } from '@lpr/charts';
import type { CurvePoint, ReferenceLevel } from '@lpr/charts';
import type { JSX } from 'preact';
import type { Series, SeriesFile } from '../src/api.ts';
import type { Table } from './csv.ts';
import { Figure } from './figure.tsx';

export interface NamedSeries {
  readonly name: string;
  readonly file: SeriesFile;
}

/** What the curves call each series. */
const CURVES = [
  ['loss', 'loss'],
  ['gini', 'balance.gini'],
  ['minMax', 'balance.minMax'],
  ['maxVio', 'balance.maxViolation'],
] as const;

/** Loss and balance over the steps. */
export function Curves({
  runs,
  from = 0,
  references = [],
  label,
}: {
  runs: readonly NamedSeries[];
  /** Step that the axis begins at. */
  from?: number;
  references?: readonly ReferenceLevel[];
  label: string;
}): JSX.Element {
  const lines = runs.map(({ name, file }) => ({ name, points: pointsOf(file) }));
  return (
    <Figure
      label={label}
      inputs={[...runs.flatMap(({ name, file }) => [name, file]), references, from]}
      draw={(width, theme) => {
        // A run may have the name of a level, and names tell lines apart.
        const levels = references.filter(({ name }) => lines.every((line) => line.name !== name));
        const input = { runs: lines, references: levels, firstStep: from, width };
        return { option: trainingCurves(input, theme), size: curvesSize(input) };
      }}
      table={() =>
        seriesTable(
          runs,
          CURVES.map(([, series]) => series),
        )
      }
    />
  );
}

/** Norms of the gradient of each loss term; nothing where none was measured. */
export function GradientNorms({ run }: { run: NamedSeries }): JSX.Element | null {
  const names = Object.keys(run.file.series).filter((name) => name.startsWith('norm.'));
  const terms = [...new Set(names.map((name) => name.slice('norm.'.length, name.lastIndexOf('.'))))];
  if (terms.length === 0) return null;
  const input = terms.map((term) => ({
    name: term,
    points: join(['router', 'prototypes', 'trunk'].map((part) => [part, run.file.series[`norm.${term}.${part}`]])),
  }));
  return (
    <section class="panel">
      <h2>Gradients of each loss term</h2>
      <Figure
        inputs={[run.file]}
        label={`Gradient norms of ${run.name}`}
        draw={(width, theme) => {
          const drawn = { terms: input, width };
          return { option: gradientNorms(drawn, theme), size: gradientsSize(drawn) };
        }}
        table={() => seriesTable([run], names)}
      />
    </section>
  );
}

/** Milliseconds a step by part of the model, of the newest window; nothing where it was not measured. */
export function StepTime({ runs }: { runs: readonly NamedSeries[] }): JSX.Element | null {
  const measured = runs.flatMap(({ name, file }) => {
    const phases = Object.entries(file.series).flatMap(([series, { values }]): [string, number][] =>
      series.startsWith('phase.') ? [[series.slice('phase.'.length), Math.max(0, values.at(-1) ?? 0)]] : [],
    );
    return phases.length === 0 ? [] : [{ name, phases: Object.fromEntries(phases) }];
  });
  if (measured.length === 0) return null;
  return (
    <section class="panel">
      <h2>Where a step's time goes</h2>
      <Figure
        inputs={runs.map(({ file }) => file)}
        label={`Time of a step of ${measured.map(({ name }) => name).join(', ')}`}
        draw={(width, theme) => {
          const input = { runs: measured, width };
          return { option: stepTime(input, theme), size: stepTimeSize(input) };
        }}
        table={() => ({
          header: ['run', 'part', 'milliseconds'],
          rows: measured.flatMap(({ name, phases }) =>
            Object.entries(phases).map(([part, time]) => [name, part, time]),
          ),
        })}
      />
    </section>
  );
}

function pointsOf(file: SeriesFile): CurvePoint[] {
  return join(CURVES.map(([name, series]) => [name, file.series[series]]));
}

/** Several series as one list of points by step, each with the values that were recorded there. */
function join(series: readonly (readonly [string, Series | undefined])[]): { step: number; [name: string]: number }[] {
  const points = new Map<number, { step: number; [name: string]: number }>();
  for (const [name, recorded] of series) {
    for (const [i, step] of (recorded?.steps ?? []).entries()) {
      let point = points.get(step);
      if (point === undefined) points.set(step, (point = { step }));
      point[name] = recorded!.values[i]!;
    }
  }
  return [...points.values()].toSorted((a, b) => a.step - b.step);
}

function seriesTable(runs: readonly NamedSeries[], names: readonly string[]): Table {
  return {
    header: ['run', 'step', ...names],
    rows: runs.flatMap(({ name, file }) =>
      join(names.map((series) => [series, file.series[series]])).map((point) => [
        name,
        point.step,
        ...names.map((series) => point[series] ?? null),
      ]),
    ),
  };
}
