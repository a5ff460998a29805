/** Where the time of a training step goes, by part of the model. */
import { stepTime as stepTimeChart, type StepTimeInput, stepTimeSize } from '@lpr/charts';
import type { SeriesFile } from '@lpr/runs/browser';
import { collect, common, defineFigure, type FigureRecord, type FigureWith, stepsText } from './figure.ts';

export type StepTimeNumbers = Pick<StepTimeInput, 'runs'>;

const CAPTION =
  'Milliseconds a step by part of the model, averaged over the logging windows of the second half of training.';

/** Of those runs whose times were measured; null where none was. */
export function stepTimeRecord(
  runs: readonly { readonly name: string; readonly file: SeriesFile }[],
): FigureRecord<StepTimeNumbers> | null {
  const measured = runs.flatMap(({ name, file }) => {
    const phases = phasesOf(file);
    return phases === null ? [] : [{ name, ...phases }];
  });
  if (measured.length === 0) return null;
  const steps = measured.map((run) => run.step);
  const step = common(steps);
  return {
    kind: 'step-time',
    title: `Time of a training step, until ${stepsText(steps)}`,
    caption: CAPTION,
    of: { runs: measured.map(({ name }) => name), text: 'training', ...(step !== undefined && { step }) },
    numbers: { runs: measured.map(({ name, phases }) => ({ name, phases })) },
    levels: [],
    notes: [],
  };
}

/** Milliseconds of each part: the mean of the last half of what was recorded. */
function phasesOf({ series }: SeriesFile): { phases: Record<string, number>; step: number } | null {
  const phases: Record<string, number> = {};
  let step = 0;
  for (const [name, { steps, values }] of Object.entries(series)) {
    if (!name.startsWith('phase.')) continue;
    const late = values.slice(Math.floor(values.length / 2));
    phases[name.slice('phase.'.length)] = Math.max(0, late.reduce((sum, value) => sum + value, 0) / late.length);
    step = Math.max(step, steps.at(-1) ?? 0);
  }
  return Object.keys(phases).length === 0 ? null : { phases, step };
}

export const stepTime: FigureWith<StepTimeNumbers> = defineFigure<StepTimeNumbers>({
  name: 'step-time',
  heading: 'Time of a training step',
  caption: CAPTION,
  records(runs) {
    const { found, missing } = collect(runs, ({ series }) => {
      if (series.value === undefined) return series;
      return phasesOf(series.value) === null
        ? { missing: 'no step has times by part of the model' }
        : { value: series.value };
    });
    const record = stepTimeRecord(found.map(({ run: { name }, value: file }) => ({ name, file })));
    return { records: record === null ? [] : [record], missing };
  },
  draw(numbers, { theme, width }) {
    const input = { ...numbers, ...(width !== undefined && { width }) };
    return { option: stepTimeChart(input, theme), size: stepTimeSize(input) };
  },
  table: ({ runs }) => ({
    header: ['run', 'part', 'milliseconds'],
    rows: runs.flatMap(({ name, phases }) => Object.entries(phases).map(([part, time]) => [name, part, time])),
  }),
});
