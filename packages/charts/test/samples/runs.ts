/** Figures that have a line, a path or a point for each run. */
import {
  lossTokens,
  lossTokensSize,
  parallelCoordinates,
  parallelCoordinatesSize,
  specialisationBalance,
  specialisationBalanceSize,
} from '../../src/index.ts';
import { generator, list, type Sample, sample, type SampleModel } from './sample.ts';

/** Loss and specialisation of so many runs. */
export function samplesOfRuns(count: number, prefix: string): Sample[] {
  const random = generator(count);
  const ending = count === 2 ? '' : '-many';
  const nameOf = (run: number): string => `${prefix}${run % 2 === 0 ? 'Qwen3-MoE-LPR' : 'Qwen3-MoE'}, seed ${run}`;
  return [
    sample(
      `loss-tokens${ending}`,
      {
        title: 'Held-out loss',
        runs: list(count, (run) => ({
          name: nameOf(run),
          gini: run === 8 ? null : [0.05, 0.62][run % 2]! + 0.1 * random(),
          points: list(12, (i) => [60_000 * (i + 1), 4 + 3 * Math.exp(-i / (3 + (run % 2))) + 0.1 * random()] as const),
        })),
      },
      lossTokens,
      lossTokensSize,
    ),
    sample(
      `specialisation-balance${ending}`,
      {
        runs: list(count, (run) => ({
          name: nameOf(run),
          points: list(run === 4 ? 1 : 8, (i) => ({
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

/** Settings against results. */
export function samplesOfSettings({ experts, prefix, random }: SampleModel): Sample[] {
  return [
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
