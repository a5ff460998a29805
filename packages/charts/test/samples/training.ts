/** Figures of training: curves, gradients, time. */
import {
  curvesSize,
  gradientNorms,
  gradientsSize,
  lossBalance,
  lossBalanceSize,
  stepTime,
  stepTimeSize,
  trainingCurves,
} from '../../src/index.ts';
import { list, type Sample, sample, type SampleModel } from './sample.ts';

/** Loss and balance over the steps of two runs and of 40, and against each other. */
export function samplesOfCurves({ experts, prefix, random }: SampleModel): Sample[] {
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
  return [
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
  ];
}

/** Where gradients and time go. */
export function samplesOfSteps({ prefix, random }: SampleModel): Sample[] {
  return [
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
  ];
}
