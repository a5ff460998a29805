/**
 * Loss against the tokens trained on, for runs of even and of uneven load (figure 3 of the LPR paper, arXiv 2506.21328,
 * measured): a figure of held-out text, and one of training.
 */
import { type Look, lossTokens as lossTokensChart, type LossTokensInput, lossTokensSize } from '@lpr/charts';
import type { Measures, Part } from '@lpr/runs/browser';
import { someRuns } from '../levels.ts';
import { bySetting, mean } from '../looks.ts';
import type { RunParts } from '../parts.ts';
import { leadMeasure } from '../tables/measures.ts';
import { tokensText } from '../tables/table.ts';
import { collect, common, defineFigure, type FigureRecord, type FigureWith, stepsText } from './figure.ts';
import type { Text } from './load.ts';

export type LossTokensNumbers = Pick<LossTokensInput, 'title' | 'runs'>;

const CAPTION =
  'Loss against the tokens trained on, each run in the colour of the Gini of its loads on the same text at the end.';

type Run = LossTokensInput['runs'][number] & {
  readonly setting?: string | undefined;
  readonly look?: Look | undefined;
  /** Steps of the first point and the last. */
  readonly steps: readonly number[];
  /** Held-out tokens; 0 in training. */
  readonly tokens: number;
};

function nameOf(text: Text): string {
  return `loss-tokens-${text}`;
}

function recordOf(text: Text, runs: readonly Run[]): FigureRecord<LossTokensNumbers> {
  const steps = runs.flatMap((run) => run.steps);
  const last = Math.max(...steps);
  const isHeldOut = text === 'held-out';
  const counts = runs.map((run) => run.tokens);
  const tokens = common(counts);
  const settings = bySetting(runs).map(({ runs: own, ...named }) => ({ ...named, ...meanOf(own) }));
  const once = runs.filter(({ points }) => points.length === 1).map(({ name }) => name);
  return {
    kind: nameOf(text),
    title: isHeldOut
      ? `Loss on ${tokensText(counts)} against tokens trained on, ${stepsText(steps)}`
      : `Training loss against tokens trained on, ${stepsText(steps)}`,
    caption: CAPTION,
    of: {
      ...{ runs: runs.map(({ name }) => name), text, step: last },
      ...(isHeldOut && tokens !== undefined && { tokens }),
    },
    numbers: {
      title: isHeldOut ? 'Held-out loss' : 'Training loss',
      runs: settings,
    },
    levels: [],
    notes: [
      `The Gini of each run is that of ${isHeldOut ? 'its last evaluation' : 'its last logging window'}, mean over layers.`,
      ...(settings.some(({ seeds }) => seeds !== undefined)
        ? ['Lines are means over the seeds of a setting, where all of them have a point.']
        : []),
      ...(once.length === 0 ? [] : [onceEvaluated(once)]),
    ],
  };
}

/** Of several seeds the mean at those tokens that all of them have. */
function meanOf(runs: readonly Run[]): Omit<LossTokensInput['runs'][number], 'name'> {
  const [first] = runs;
  if (runs.length === 1) return { gini: first!.gini, points: first!.points };
  const losses = runs.map(({ points }) => new Map(points));
  const ginis = runs.flatMap(({ gini }) => (gini === null ? [] : [gini]));
  const shared = first!.points.flatMap(([tokens]): [number, number][] => {
    const values = losses.flatMap((own) => own.get(tokens) ?? []);
    return values.length === runs.length ? [[tokens, mean(values)]] : [];
  });
  return {
    gini: ginis.length === 0 ? null : mean(ginis),
    // Seeds that ran on other tokens have no mean; the first stands for them.
    points: shared.length === 0 ? first!.points : shared,
    seeds: runs.map(({ points }) => points),
  };
}

/** Of runs with a single evaluation. */
export function onceEvaluated(runs: readonly string[]): string {
  return `Evaluated once, so a point and no line: ${someRuns(runs)}. With evaluation.every (--set evaluation.every=20) a run is evaluated as it trains.`;
}

function lossTokensFigure(text: Text): FigureWith<LossTokensNumbers> {
  return defineFigure<LossTokensNumbers>({
    name: nameOf(text),
    heading: `${text === 'training' ? 'Training' : 'Held-out'} loss against tokens`,
    caption: CAPTION,
    series: text === 'training' ? ['loss', 'tokens', `balance.${leadMeasure.key}`] : [],
    records(runs) {
      const { found, missing } = collect(runs, text === 'training' ? trainingLosses : heldOutLosses);
      const values = found.map(({ value }) => value);
      return { records: values.length === 0 ? [] : [recordOf(text, values)], missing };
    },
    axes: () => ['tokens'],
    draw(numbers, { theme, width, view }) {
      const input = { ...numbers, ...(view && { view }), ...(width !== undefined && { width: Math.min(width, 900) }) };
      return { option: lossTokensChart(input, theme), size: lossTokensSize(input) };
    },
    table: ({ title, runs }) => ({
      header: ['run', 'Gini', 'tokens trained on', title.toLowerCase()],
      rows: runs.flatMap(({ name, gini, points }) => points.map(([tokens, loss]) => [name, gini, tokens, loss])),
    }),
  });
}

export const lossTokensHeldOut: FigureWith<LossTokensNumbers> = lossTokensFigure('held-out');
export const lossTokensTraining: FigureWith<LossTokensNumbers> = lossTokensFigure('training');

function heldOutLosses({ name, setting, look, evaluations }: RunParts): Part<Run> {
  if (evaluations.value === undefined) return evaluations;
  const last = evaluations.value.at(-1)!;
  return {
    value: {
      ...{ name, setting, look },
      gini: giniOf(last.balance?.mean),
      points: evaluations.value.map(({ tokens, loss }) => [tokens, loss] as const),
      steps: evaluations.value.map(({ step }) => step),
      tokens: last.evaluatedTokens,
    },
  };
}

function trainingLosses({ name, setting, look, series }: RunParts): Part<Run> {
  if (series.value === undefined) return series;
  const { loss, tokens, [`balance.${leadMeasure.key}`]: balance } = series.value.series;
  if (loss === undefined || tokens === undefined || loss.steps.length === 0) {
    return { missing: 'no step says its loss and tokens' };
  }
  return {
    value: {
      ...{ name, setting, look },
      gini: balance?.values.at(-1) ?? null,
      points: loss.values.map((value, i) => [tokens.values[i]!, value] as const),
      steps: [loss.steps[0]!, loss.steps.at(-1)!],
      tokens: 0,
    },
  };
}

function giniOf(measures: Measures | undefined): number | null {
  return measures?.[leadMeasure.key] ?? null;
}
