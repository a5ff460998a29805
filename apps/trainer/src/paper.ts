/** Figures that the LPR paper reports (arXiv 2506.21328, table 1: 0.6B models, 1B tokens of FineWeb), to stand beside ours. */
import type { Architecture } from './settings/schema.ts';

export interface PaperRow {
  readonly model: string;
  readonly testLoss: number;
  readonly gini: number;
  readonly minMax: number;
}

export const TABLE_1: Readonly<Record<Architecture, readonly PaperRow[]>> = {
  'qwen3-moe': [
    // oxlint-disable-next-line oxc/approx-constant -- a measured figure, not the root of 1/2
    { model: 'Qwen3-MoE', testLoss: 3.666, gini: 0.707, minMax: 1.27e-16 },
    { model: 'Qwen3-LPR (init)', testLoss: 3.685, gini: 0.057, minMax: 0.597 },
    { model: 'Qwen3-LPR (no init)', testLoss: 3.697, gini: 0.039, minMax: 0.696 },
  ],
  mixtral: [
    { model: 'Mixtral', testLoss: 3.683, gini: 0.635, minMax: 3.33e-6 },
    { model: 'Mixtral-LPR (no init)', testLoss: 3.747, gini: 0.047, minMax: 0.649 },
  ],
  'deepseek-v3': [
    { model: 'DeepSeek-V3', testLoss: 3.673, gini: 0.79, minMax: 6.41e-9 },
    { model: 'DeepSeek-LPR (no init)', testLoss: 3.72, gini: 0.036, minMax: 0.724 },
  ],
};
