/** Norm of the gradient of each weighted loss term, by part of the model. */
import { gradientNorms, type GradientsInput, gradientsSize } from '@lpr/charts';
import type { SeriesFile } from '@lpr/runs/browser';
import { joined } from './curves.ts';
import { defineFigure, type FigureRecord, type FigureWith, perRun, whole } from './figure.ts';

export type GradientNumbers = Pick<GradientsInput, 'terms'>;

const CAPTION =
  'Norm of the gradient of each weighted loss term at the router, at the prototypes and at everything else.';
const PARTS = ['router', 'prototypes', 'trunk'] as const;

/** null where no norm was measured. */
export function gradientsRecord(
  run: string,
  { series, valuesPerPoint }: SeriesFile,
): FigureRecord<GradientNumbers> | null {
  // norm.TERM.PART
  const names = Object.keys(series).filter((name) => name.startsWith('norm.'));
  const terms = [...new Set(names.map((name) => name.slice('norm.'.length, name.lastIndexOf('.'))))];
  if (terms.length === 0) return null;
  const step = Math.max(...names.map((name) => series[name]!.steps.at(-1) ?? 0));
  return {
    kind: 'gradients',
    title: `Gradients by loss term in training until step ${whole(step)}`,
    caption: CAPTION,
    of: { runs: [run], text: 'training', step, label: run },
    numbers: {
      terms: terms.map((term) => {
        const parts = PARTS.map((part) => {
          const { steps = [], values = [] } = series[`norm.${term}.${part}`] ?? {};
          return steps.map((each, i) => [each, values[i]!] as const);
        });
        return {
          name: term,
          points: joined(parts).map(({ step: at, values }) => ({
            step: at,
            ...Object.fromEntries(PARTS.flatMap((part, i) => (values[i] === null ? [] : [[part, values[i]!]]))),
          })),
        };
      }),
    },
    levels: [],
    notes: valuesPerPoint > 1 ? [`Each point is the mean of up to ${whole(valuesPerPoint)} recorded values.`] : [],
  };
}

export const gradients: FigureWith<GradientNumbers> = defineFigure<GradientNumbers>({
  name: 'gradients',
  heading: 'Gradients by loss term',
  caption: CAPTION,
  // All of the group.
  series: ['norm.'],
  records: (runs) =>
    perRun(
      runs,
      ({ name, series }) => {
        if (series.value === undefined) return series;
        const record = gradientsRecord(name, series.value);
        return record === null ? { missing: 'no step has gradient norms' } : { value: record };
      },
      (record) => record,
    ),
  axes: () => ['step'],
  draw(numbers, { theme, width, view }) {
    const input = { ...numbers, ...(view && { view }), ...(width !== undefined && { width }) };
    return { option: gradientNorms(input, theme), size: gradientsSize(input) };
  },
  table: ({ terms }) => ({
    header: ['term', 'step', ...PARTS],
    rows: terms.flatMap(({ name, points }) =>
      points.map((point) => [name, point.step, ...PARTS.map((part) => point[part] ?? null)]),
    ),
  }),
});
