/** What TensorBoard shows of a run: the figures of its logs under tags by group. */
import type { Counts } from '@lpr/metrics';
import { EVALUATION_GROUP, type EvaluationLine, type MetricsLine } from './logs.ts';
import type { Summary } from './tensorboard/events.ts';
import { loadPicture } from './tensorboard/png.ts';

/** Of every step. */
export function stepSummaries(line: MetricsLine): Summary[] {
  const terms = Object.entries(line.terms).map(([name, { weighted }]) => ({
    tag: `terms/${name}`,
    scalar: weighted.reduce((a, b) => a + b, 0),
  }));
  return [
    { tag: 'loss/crossEntropy', scalar: line.loss },
    { tag: 'loss/total', scalar: line.totalLoss },
    ...terms,
    { tag: 'optimizer/learningRate', scalar: line.learningRate },
    { tag: 'optimizer/gradientNorm', scalar: line.gradientNorm },
  ];
}

/**
 * Of a logging window that closes: balance, loads as a picture and, layer by layer, over their fair share, speed,
 * memory, gradients by term.
 */
export function windowSummaries(line: MetricsLine, counts: readonly Counts[]): Summary[] {
  const { phases, memory, gradientNorms } = line;
  const norms = Object.entries(gradientNorms ?? {}).flatMap(([term, parts]) =>
    Object.entries({ ...parts }).map(([part, norm]) => [`${term}/${part}`, norm] as const),
  );
  return [
    ...scalars('balance', Object.entries({ gini: line.gini, minMax: line.minMax, maxVio: line.maxVio })),
    ...scalars('balance/worst', Object.entries(line.worst ?? {})),
    ...scalars('speed', [['tokensPerSecond', line.tokensPerSecond]]),
    ...scalars('phases', Object.entries(phases ?? {})),
    ...scalars('memory', Object.entries(memory ?? {})),
    ...scalars('gradientNorms', norms),
    { tag: 'loads', image: loadPicture(counts) },
    ...counts.map((loads, layer) => ({ tag: `loads/${layer}`, values: overFairShare(loads) })),
  ];
}

export function evaluationSummaries(line: EvaluationLine): Summary[] {
  const domains = Object.entries(line.domains).map(([name, { loss }]) => [`loss/${name}`, loss] as const);
  const { loss, perplexity, gini, minMax, maxVio, mutualInformation } = line;
  return scalars(EVALUATION_GROUP, [
    ...Object.entries({ loss, perplexity, gini, minMax, maxVio, mutualInformation }),
    ...domains,
  ]);
}

/** Figures that exist. */
function scalars(group: string, figures: Iterable<readonly [string, number | null | undefined]>): Summary[] {
  return Array.from(figures).flatMap(([name, scalar]) =>
    typeof scalar === 'number' && Number.isFinite(scalar) ? [{ tag: `${group}/${name}`, scalar }] : [],
  );
}

function overFairShare(loads: Counts): Float64Array {
  const all = Float64Array.from(loads);
  const fair = all.reduce((a, b) => a + b, 0) / all.length;
  return fair === 0 ? all : all.map((load) => load / fair);
}
