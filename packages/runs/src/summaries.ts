/** What TensorBoard shows of a run: the numbers of its logs under tags by group. */
import type { Counts } from '@lpr/metrics';
import type { Balance } from './balance.ts';
import { type EvaluationLine, decisionsOverLayers } from './evaluation-line.ts';
import { type MetricsLine, weightedSum } from './metrics-line.ts';
import type { Summary } from './tensorboard/events.ts';
import { loadPicture } from './tensorboard/png.ts';

/** What tags of an evaluation's events begin with. */
export const EVALUATION_GROUP = 'evaluation';

/** Of every step. */
export function stepSummaries(line: MetricsLine): Summary[] {
  const terms = Object.entries(line.terms).map(([name, { weighted }]) => [name, weightedSum(weighted)] as const);
  return [
    { tag: 'loss/crossEntropy', scalar: line.loss },
    { tag: 'loss/total', scalar: line.totalLoss },
    ...scalars('terms', terms),
    { tag: 'optimizer/learningRate', scalar: line.learningRate },
    { tag: 'optimizer/gradientNorm', scalar: line.gradientNorm },
  ];
}

/**
 * Of a logging window that closes: balance, loads as a picture and, layer by layer, over their fair share, speed,
 * memory, gradients by term.
 */
export function windowSummaries(line: MetricsLine, counts: readonly Counts[]): Summary[] {
  const { phases, memory, ranks, gradientNorms } = line;
  const norms = Object.entries(gradientNorms ?? {}).flatMap(([term, parts]) =>
    Object.entries({ ...parts }).map(([part, norm]) => [`${term}/${part}`, norm] as const),
  );
  return [
    ...balanceScalars('balance', line.balance),
    ...scalars('speed', [['tokensPerSecond', line.tokensPerSecond]]),
    ...scalars('phases', Object.entries(phases ?? {})),
    ...scalars('memory', Object.entries(memory ?? {})),
    ...scalars('ranks', Object.entries(ranks ?? {})),
    ...scalars('gradientNorms', norms),
    ...(counts.length === 0 ? [] : [{ tag: 'loads', image: loadPicture(counts) }]),
    ...counts.map((loads, layer) => ({ tag: `loads/${layer}`, values: overFairShare(loads) })),
  ];
}

export function evaluationSummaries(line: EvaluationLine): Summary[] {
  const domains = Object.entries(line.domains).map(([name, { loss }]) => [`loss/${name}`, loss] as const);
  const { loss, perplexity, mutualInformation, balance } = line;
  return [
    ...scalars(EVALUATION_GROUP, [...Object.entries({ loss, perplexity, mutualInformation }), ...domains]),
    ...scalars(`${EVALUATION_GROUP}/decisions`, Object.entries({ ...decisionsOverLayers(line) })),
    ...balanceScalars(`${EVALUATION_GROUP}/balance`, balance),
  ];
}

function balanceScalars(group: string, balance: Balance | null | undefined): Summary[] {
  return [
    ...scalars(group, Object.entries(balance?.mean ?? {})),
    ...scalars(`${group}/worst`, Object.entries(balance?.worst ?? {})),
  ];
}

/** Numbers that exist. */
function scalars(group: string, numbers: Iterable<readonly [string, number | null | undefined]>): Summary[] {
  return Array.from(numbers).flatMap(([name, scalar]) =>
    typeof scalar === 'number' && Number.isFinite(scalar) ? [{ tag: `${group}/${name}`, scalar }] : [],
  );
}

function overFairShare(loads: Counts): Float64Array {
  const all = Float64Array.from(loads);
  const fair = all.reduce((a, b) => a + b, 0) / all.length;
  return fair === 0 ? all : all.map((load) => load / fair);
}
