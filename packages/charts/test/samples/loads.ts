/** Figures of the load of experts. */
import { balanceMeasures } from '@lpr/metrics';
import { heatmapSize, loadHeatmap, loadHistory, loadHistorySize, lorenzCurves, lorenzSize } from '../../src/index.ts';
import { list, type Sample, sample, type SampleModel, withNotes } from './sample.ts';

/** Measures that are shown here, whatever others there are. */
export const MEASURES = balanceMeasures.filter(({ key }) => ['gini', 'minMax', 'maxViolation'].includes(key));

export function samplesOfLoads({ layers, experts, shownLayers, prefix, random }: SampleModel): Sample[] {
  const loads = (spread: number): number[] =>
    list(experts, () => (spread > 1 && random() < 0.1 ? 0 : Math.round(1000 * Math.exp(spread * (random() - 0.5)))));
  const models = [
    { name: `${prefix}Qwen3-MoE`, counts: list(layers, () => loads(4)) },
    { name: `${prefix}Qwen3-MoE-LPR`, counts: list(layers, () => loads(0.6)) },
  ];
  const steps = experts > 100 ? 400 : 60;
  return [
    withNotes(sample('heatmap', { models, measures: MEASURES }, loadHeatmap, heatmapSize), [
      `${prefix}Expert load on 102,400 held-out tokens`,
      `${prefix}${'Gini of a uniform router: 0.007 ≤ 0.02; '.repeat(6)}`,
    ]),
    sample(
      'heatmap-sorted',
      { models: models.slice(0, 1), order: 'load' as const, measures: MEASURES },
      loadHeatmap,
      heatmapSize,
    ),
    sample(
      'load-history',
      {
        panels: shownLayers.map((layer) => ({
          name: `${prefix}Layer ${layer}`,
          windows: list(steps, (i) => ({ step: 250 * (i + 1), counts: loads((3 * (steps - i)) / steps) })),
        })),
      },
      loadHistory,
      loadHistorySize,
    ),
    sample('lorenz', { models }, lorenzCurves, lorenzSize),
  ];
}
