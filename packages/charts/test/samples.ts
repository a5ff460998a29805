/** Every figure with made-up data, at whatever number of layers and experts. */
import { balanceMeasures } from '@lpr/metrics';
import type { EChartsOption } from 'echarts';
import {
  coActivationMatrix,
  coActivationSize,
  curvesSize,
  expertGroups,
  expertGroupsSize,
  expertSimilarity,
  expertSimilaritySize,
  gradientNorms,
  gradientsSize,
  heatmapSize,
  latentGeometry,
  latentGeometrySize,
  latentSpace,
  latentsSize,
  loadHeatmap,
  loadHistory,
  loadHistorySize,
  lorenzCurves,
  lorenzSize,
  lossBalance,
  lossBalanceSize,
  lossTokens,
  lossTokensSize,
  parallelCoordinates,
  parallelCoordinatesSize,
  routerSaturation,
  routingStrip,
  routingStripSize,
  saturationSize,
  type Size,
  specialisationBalance,
  specialisationBalanceSize,
  stepTime,
  stepTimeSize,
  type ThemeName,
  trainingCurves,
  vocabularySize,
  vocabularySpecialisation,
  withFootnotes,
} from '../src/index.ts';

export interface Sample {
  readonly name: string;
  readonly size: Size;
  readonly option: (theme?: ThemeName) => EChartsOption;
}

function sample<Input>(
  name: string,
  input: Input,
  option: (input: Input, theme?: ThemeName) => EChartsOption,
  size: (input: Input) => Size,
): Sample {
  return { name, size: size(input), option: (theme) => option(input, theme) };
}

/** The sample with lines below it. */
function withNotes({ name, size, option }: Sample, notes: readonly string[]): Sample {
  const drawn = (theme: ThemeName = 'light') => withFootnotes({ option: option(theme), size }, notes, theme);
  return { name, size: drawn().size, option: (theme) => drawn(theme).option };
}

/** Reproducible numbers from 0 to 1. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const TEXT =
  'The router sends every token to a few experts; β is not a load.\nWhat an expert has not seen it cannot learn → 3 × 10⁻⁴, dé jà vu.';

/** Measures that are shown here, whatever others there are. */
export const MEASURES = balanceMeasures.filter(({ key }) => ['gini', 'minMax', 'maxViolation'].includes(key));

export interface SampleSettings {
  readonly layers: number;
  readonly experts: number;
  /** What all names start with. */
  readonly name?: string;
}

/** Figures that have a line or a path for each run, of so many runs. */
function samplesOfRuns(count: number, prefix: string): Sample[] {
  const random = generator(count);
  const of = <T>(length: number, each: (i: number) => T): T[] => Array.from({ length }, (_, i) => each(i));
  const ending = count === 2 ? '' : '-many';
  const nameOf = (run: number): string => `${prefix}${run % 2 === 0 ? 'Qwen3-MoE-LPR' : 'Qwen3-MoE'}, seed ${run}`;
  return [
    sample(
      `loss-tokens${ending}`,
      {
        title: 'Held-out loss',
        runs: of(count, (run) => ({
          name: nameOf(run),
          gini: run === 8 ? null : [0.05, 0.62][run % 2]! + 0.1 * random(),
          points: of(12, (i) => [60_000 * (i + 1), 4 + 3 * Math.exp(-i / (3 + (run % 2))) + 0.1 * random()] as const),
        })),
      },
      lossTokens,
      lossTokensSize,
    ),
    sample(
      `specialisation-balance${ending}`,
      {
        runs: of(count, (run) => ({
          name: nameOf(run),
          points: of(run === 4 ? 1 : 8, (i) => ({
            step: 40 * (i + 1),
            gini: 0.7 * Math.exp((-i * (1 + (run % 2))) / 4) + 0.05 + 0.03 * random(),
            information: 0.2 * i + 0.1 * (run % 5) - 0.05 + 0.05 * random(),
          })),
        })),
        levels: [
          { name: 'sampling floor', range: { mean: 0.02, low: 0.01, high: 0.03 } },
          { name: 'isotropic null', range: { mean: 0.08, low: 0.04, high: 0.14 } },
        ],
      },
      specialisationBalance,
      specialisationBalanceSize,
    ),
  ];
}

/** A figure of each kind for a model of so many layers and experts. */
export function samples({ layers, experts, name: prefix = '' }: SampleSettings): Sample[] {
  const random = generator(layers * 1000 + experts);
  const topK = Math.max(1, Math.min(8, experts / 4));
  const list = <T>(length: number, of: (i: number) => T): T[] => Array.from({ length }, (_, i) => of(i));
  const loads = (spread: number): number[] =>
    list(experts, () => (spread > 1 && random() < 0.1 ? 0 : Math.round(1000 * Math.exp(spread * (random() - 0.5)))));
  const models = [
    { name: `${prefix}Qwen3-MoE`, counts: list(layers, () => loads(4)) },
    { name: `${prefix}Qwen3-MoE-LPR`, counts: list(layers, () => loads(0.6)) },
  ];
  const levels = [
    {
      name: `${prefix}sampling floor`,
      ranges: {
        gini: { mean: 0.02, low: 0.01, high: 0.03 },
        minMax: { mean: 0.93, low: 0.9, high: 0.96 },
        maxViolation: { mean: 0.05, low: 0.02, high: 0.08 },
      },
    },
    {
      name: 'isotropic null',
      ranges: {
        gini: { mean: 0.08, low: 0.04, high: 0.14 },
        minMax: { mean: 0.7, low: 0.6, high: 0.8 },
        maxViolation: { mean: 0.2, low: 0.1, high: 0.4 },
      },
    },
  ];
  const panels = [
    {
      ...{ key: 'loss', title: 'Training loss', subtitles: ['cross entropy of each step'] },
      ...{ axis: 'Loss, nats per token', free: true, smooth: true },
    },
    {
      key: 'gini',
      title: 'Gini',
      subtitles: ['how far the loads of pairs of experts are apart; 0 is balance', '0 is balance'],
      axis: 'Gini',
    },
    { key: 'minMax', title: 'min-max', subtitles: ['1 is balance'], axis: 'min-max', bound: 1 },
    { key: 'maxViolation', title: 'MaxVio', subtitles: ['0 is balance'], axis: 'MaxVio' },
  ];
  const steps = experts > 100 ? 400 : 60;
  /** Values of every fourth step. */
  const windows = (of: Readonly<Record<string, () => number>>) =>
    Object.fromEntries(
      Object.entries(of).map(([key, value]) => [
        key,
        list(Math.ceil(steps / 4), (i) => [25 * (4 * i + 1), value()] as const),
      ]),
    );
  const run = (name: string, level: number) => ({
    name,
    series: {
      loss: list(steps, (i) => [25 * (i + 1), 3.5 + 4 * Math.exp((-6 * i) / steps) + 0.3 * (random() - 0.5)] as const),
      ...windows({
        gini: () => level + 0.05 * random(),
        minMax: () => 0.8 - level,
        maxViolation: () => 6 * level + random(),
      }),
    },
  });
  const shownLayers = Array.from(new Set([0, Math.floor(layers / 2), layers - 1]));
  const tokens = TEXT.match(/ ?[^\s]{1,6}|\s/gu)!;
  const coActivation = (): number[][] =>
    list(experts, (i) => list(experts, (j) => (random() ** 8 + (Math.abs(i - j) < 3 ? 0.3 : 0)) / 2));
  return [
    ...[2, Math.min(40, 4 * experts)].flatMap((count) => samplesOfRuns(count, prefix)),
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
    sample(
      'curves',
      { panels, runs: [run(`${prefix}Top-k`, 0.6), run(`${prefix}LPR`, 0.1)], levels },
      trainingCurves,
      curvesSize,
    ),
    sample(
      'curves-many',
      {
        panels,
        runs: list(40, (i) => {
          const [mean, ...seeds] = [0, -0.02, 0.02].map((shift) =>
            run(`${prefix}Router ${i}`, 0.02 * i + 0.03 + shift),
          );
          return { ...mean!, seeds: seeds.map(({ series }) => series), colour: i % 6 === 0 ? i / 6 : null };
        }),
        levels,
      },
      trainingCurves,
      curvesSize,
    ),
    sample(
      'loss-balance',
      {
        measure: { title: 'Gini', decimals: 3, growsWithBalance: false },
        runs: list(Math.min(40, experts), (i) => ({
          name: `${prefix}${['top-k', 'lpr', 'bias'][i % 3]}-seed-${i}`,
          entry: `${prefix}${['top-k', 'LPR', 'aux-loss-free bias'][i % 3]}`,
          loss: 3.6 + 0.2 * random() + 0.1 * (i % 3),
          balance: [0.6, 0.1, 0.3][i % 3]! + 0.2 * random(),
        })),
        levels: [{ name: 'sampling floor', range: { mean: 0.02, low: 0.01, high: 0.03 } }],
      },
      lossBalance,
      lossBalanceSize,
    ),
    sample(
      'coactivation',
      { panels: shownLayers.map((layer) => ({ name: `${prefix}Layer ${layer}`, shares: coActivation() })) },
      coActivationMatrix,
      coActivationSize,
    ),
    sample(
      'similarity',
      {
        panels: shownLayers.map((layer) => ({
          name: `${prefix}Layer ${layer}`,
          similarity: list(experts, (i) => list(experts, (j) => (i === 1 ? Number.NaN : 1 / (1 + Math.abs(i - j))))),
          mean: 0.412,
          independent: 0.034,
        })),
      },
      expertSimilarity,
      expertSimilaritySize,
    ),
    sample(
      'domains',
      {
        groups: ['C4', 'Wikipedia', 'source code', 'arXiv mathematics'].map((domain) => prefix + domain),
        groupName: 'domain',
        panels: shownLayers.map((layer) => {
          const overall = list(experts, (expert) => (expert === 2 ? 0 : topK / experts));
          return {
            ...{ name: `${prefix}Layer ${layer}`, about: 'I(expert; domain) 0.0123 nats, independent 0.0004', overall },
            shares: list(4, () => overall.map((share) => 2 * random() * share)),
          };
        }),
      },
      expertGroups,
      expertGroupsSize,
    ),
    sample(
      'positions',
      {
        groups: list(8, (i) => `${prefix}${16 * i}-${16 * i + 15}`),
        ...{ groupName: 'position', namesAxis: true },
        panels: shownLayers.map((layer) => {
          const overall = list(experts, (expert) => (0.5 + expert / experts) * (topK / experts));
          return {
            ...{ name: `${prefix}Layer ${layer}`, overall },
            shares: list(8, (group) =>
              overall.map((share, expert) => (0.8 + 0.1 * ((3 * group + expert) % 5)) * share),
            ),
          };
        }),
      },
      expertGroups,
      expertGroupsSize,
    ),
    sample(
      'vocabulary',
      {
        runs: ['Top-k', 'LPR'].map((name, i) => ({
          name: prefix + name,
          layers: list(layers, () => list(experts, () => 0.1 + 0.2 * i + 0.3 * random())),
        })),
        uniform: topK / experts,
      },
      vocabularySpecialisation,
      vocabularySize,
    ),
    sample(
      'saturation',
      {
        runs: ['Top-k', 'LPR'].map((name) => ({
          name: prefix + name,
          points: list(12, (i) => ({
            step: 500 * i,
            layers: list(layers, (layer) => 1 - (1 - i / 11) * (0.5 + (0.4 * layer) / layers)),
            chance: list(layers, (layer) => (topK / experts) * (1 + (0.1 * layer) / layers + 1 / (i + 3))),
          })),
        })),
      },
      routerSaturation,
      saturationSize,
    ),
    sample(
      'routing-strip',
      {
        name: `${prefix}Qwen3-MoE-LPR: a text`,
        tokens,
        layers: shownLayers.map((layer) => ({
          layer,
          experts: tokens.map((_, i) => list(topK, (slot) => (i * 7 + slot * 5 + layer) % experts)),
          weights: tokens.map(() => list(topK, (slot) => 1 / (slot + 1.5))),
        })),
      },
      routingStrip,
      routingStripSize,
    ),
    sample(
      'latents',
      {
        panels: shownLayers.map((layer) => ({
          name: `${prefix}Layer ${layer}`,
          points: list(600, (i) => [
            Math.cos(i % experts) + 0.3 * (random() - 0.5),
            Math.sin(i % experts) + 0.3 * (random() - 0.5),
          ]),
          experts: list(600, (i) => (i % 5 === 0 ? i % experts : i % Math.min(experts, 12))),
          prototypes: list(experts, (i) => [Math.cos(i), Math.sin(i)]),
          explained: [0.31, 0.22] as const,
        })),
      },
      latentSpace,
      latentsSize,
    ),
    sample(
      'latent-geometry',
      {
        layers: list(layers, (layer) => ({
          layer,
          cosines: list(500, () => (random() + random() + random()) / 1.5 - 1),
          eigenvalues: list(16, (i) => Math.exp(-i * (0.05 + (0.3 * layer) / layers))),
        })),
        welchFloor: 0.2,
      },
      latentGeometry,
      latentGeometrySize,
    ),
    sample(
      'gradients',
      {
        terms: ['task', 'loadBalancing', 'diversity'].map((name, i) => ({
          name: prefix + name,
          points: list(60, (step) => ({
            step: 100 * step,
            router: 10 ** (-i + 0.5 * random()),
            ...(i !== 1 && { prototypes: 10 ** (-2 * i + 0.5 * random()) }),
            trunk: i === 0 ? 1 + random() : 0.01 * random(),
          })),
        })),
      },
      gradientNorms,
      gradientsSize,
    ),
    sample(
      'step-time',
      {
        runs: ['Qwen3-MoE', 'Qwen3-MoE-LPR'].map((name, i) => ({
          name: prefix + name,
          phases: {
            attention: 20,
            experts: 30,
            router: 3 + 6 * i,
            head: 14,
            optimizer: 4,
            norm: 2,
            embedding: 1,
            other: 2,
            idle: 11,
          },
        })),
      },
      stepTime,
      stepTimeSize,
    ),
    sample(
      'parallel-coordinates',
      {
        axes: [
          { title: `${prefix}router`, kind: 'category' as const },
          { title: `${prefix}experts`, kind: 'linear' as const },
          { title: `${prefix}learning rate`, kind: 'log' as const },
          { title: `${prefix}latent width`, kind: 'linear' as const },
          { title: 'test loss', kind: 'linear' as const },
          { title: 'Gini', kind: 'linear' as const },
          { title: 'min-max', kind: 'log' as const },
        ],
        colourAxis: 4,
        runs: list(24, (i) => ({
          name: `${prefix}run ${i}`,
          values: [
            `${prefix}${['top-k', 'lpr', 'switch'][i % 3]!}`,
            experts / (1 + (i % 4)),
            0.0001 * 3 ** (i % 5),
            i % 3 === 1 ? 4 * (1 + (i % 6)) : null,
            4 + random(),
            random(),
            10 ** (-3 * random()),
          ],
        })),
      },
      parallelCoordinates,
      parallelCoordinatesSize,
    ),
  ];
}
