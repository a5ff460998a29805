/** One expert of one layer over the steps. Of a page alone: a run has too many of them for files. */
import { expertLoad as expertLoadChart, type ExpertLoadInput, expertLoadSize } from '@lpr/charts';
import { defineFigure, type FigureRecord, type FigureWith, whole } from './figure.ts';

export type ExpertLoadNumbers = Pick<ExpertLoadInput, 'layer' | 'expert' | 'windows'>;

const CAPTION = 'Load of the expert over its uniform share, beside the busiest and the idlest expert of its layer.';

export function expertLoadRecord(run: string, numbers: ExpertLoadNumbers): FigureRecord<ExpertLoadNumbers> {
  const { layer, expert, windows } = numbers;
  const step = windows.at(-1)?.step ?? 0;
  return {
    kind: 'expert-load',
    title: `Load of expert ${expert} in layer ${layer} over training until step ${whole(step)}`,
    caption: CAPTION,
    of: { runs: [run], text: 'training', step, layers: [layer], label: run },
    numbers,
    levels: [],
    notes: [],
  };
}

export const expertLoad: FigureWith<ExpertLoadNumbers> = defineFigure<ExpertLoadNumbers>({
  name: 'expert-load',
  heading: 'Load of an expert',
  caption: CAPTION,
  records: () => ({ records: [], missing: [] }),
  axes: () => ['step'],
  draw(numbers, { theme, width, view }) {
    const input = { ...numbers, ...(view && { view }), ...(width !== undefined && { width }) };
    return { option: expertLoadChart(input, theme), size: expertLoadSize(input) };
  },
  table: ({ windows, expert }) => ({
    header: ['step', 'load', 'total of the layer'],
    rows: windows.map(({ step, counts }) => [
      step,
      counts[expert]!,
      Array.from(counts).reduce((sum, count) => sum + count, 0),
    ]),
  }),
});
