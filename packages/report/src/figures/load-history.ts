/** Experts x steps of single layers: when an expert starves, and whether it comes back. */
import { loadHistory as loadHistoryChart, type LoadHistoryInput, loadHistorySize } from '@lpr/charts';
import type { LoadFile } from '@lpr/metrics';
import { defineFigure, type FigureRecord, type FigureWith, layersText, perRun, someLayers, whole } from './figure.ts';

export type LoadHistoryNumbers = Pick<LoadHistoryInput, 'panels'>;

const CAPTION =
  'Load of the experts of single layers over its uniform share, window by window of training: when an expert starves, and whether it comes back.';

/**
 * @param loads with the windows to draw
 * @param layers numbers of those to draw, and where in the file each is
 * @param of how many windows there are; more than are drawn where only some of them were read
 */
export function loadHistoryRecord(
  run: string,
  { windows }: Pick<LoadFile, 'windows'>,
  layers: readonly { readonly layer: number; readonly at: number }[],
  of: number = windows.length,
): FigureRecord<LoadHistoryNumbers> {
  const numbers = layers.map(({ layer }) => layer);
  const step = windows.at(-1)?.step ?? 0;
  return {
    kind: 'load-history',
    title: `Expert load over training until step ${whole(step)}, ${layersText(numbers)}`,
    caption: CAPTION,
    of: { runs: [run], text: 'training', step, layers: numbers, label: run },
    numbers: {
      panels: layers.map(({ layer, at }) => ({
        name: `Layer ${layer}`,
        windows: windows.map(({ step: end, counts }) => ({ step: end, counts: counts[at]! })),
      })),
    },
    levels: [],
    notes: of > windows.length ? [`${whole(windows.length)} of ${whole(of)} logging windows, evenly spaced.`] : [],
  };
}

export const loadHistory: FigureWith<LoadHistoryNumbers> = defineFigure<LoadHistoryNumbers>({
  name: 'load-history',
  heading: 'Expert load over training',
  caption: CAPTION,
  records: (runs) =>
    perRun(
      runs,
      ({ loads }) => loads,
      (loads, { name }) =>
        loadHistoryRecord(
          name,
          loads,
          someLayers(loads.shape.layers).map((layer) => ({ layer, at: layer })),
        ),
    ),
  draw(numbers, { theme, width }) {
    const input = { ...numbers, ...(width !== undefined && { maxWidth: width }) };
    return { option: loadHistoryChart(input, theme), size: loadHistorySize(input) };
  },
  table: ({ panels }) => ({
    header: ['layer', 'step', 'expert', 'load'],
    rows: panels.flatMap(({ name, windows }) =>
      windows.flatMap(({ step, counts }) => Array.from(counts, (load, expert) => [name, step, expert, load])),
    ),
  }),
});
