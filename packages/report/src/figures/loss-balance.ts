/** Held-out loss against balance: what balance costs. A picture for each measure of short tables. */
import { type Look, lossBalance as lossBalanceChart, type LossBalanceInput, lossBalanceSize } from '@lpr/charts';
import type { BalanceMeasure } from '@lpr/metrics';
import type { Part } from '@lpr/runs/browser';
import { routedWindow } from '../levels.ts';
import { bySetting, mean } from '../looks.ts';
import { type Measures, shownMeasures } from '../tables/measures.ts';
import {
  collect,
  defineFigure,
  type FigureContext,
  type FigureRecord,
  type FigureWith,
  type Leveled,
  levelsAndNotes,
} from './figure.ts';
import { chartLevels } from './curves.ts';
import { ofText } from './load.ts';

/** An evaluated run. */
export interface RunLoss extends Leveled {
  readonly setting?: string | undefined;
  readonly look?: Look | undefined;
  readonly router: string | null;
  readonly loss: number;
  /** At which it was evaluated, and on how many tokens. */
  readonly step: number;
  readonly tokens: number;
  /** Mean over layers. */
  readonly balance: Measures;
}

export interface LossBalanceNumbers {
  readonly measure: Pick<BalanceMeasure, 'key' | 'title' | 'decimals' | 'growsWithBalance'>;
  /** Means over `seeds`, where there are several. */
  readonly runs: readonly (LossBalanceInput['runs'][number] & { readonly router: string })[];
}

const CAPTION =
  'Held-out loss of each run against its balance, mean over layers; no run beats one on the Pareto front in both.';

/** Of those runs that have the measure; null where these are not two. */
export function lossBalanceRecord(
  measure: BalanceMeasure,
  evaluated: readonly RunLoss[],
  context: FigureContext,
): FigureRecord<LossBalanceNumbers> | null {
  const { key, title, decimals, growsWithBalance } = measure;
  const runs = evaluated.filter(({ balance }) => typeof balance[key] === 'number');
  if (runs.length < 2) return null;
  const settings = bySetting(runs);
  const levelled = levelsAndNotes(runs, context);
  const { what, names: _, ...of } = ofText('held-out', runs);
  return {
    kind: 'loss-balance',
    title: `Loss against ${title} on ${what}`,
    caption: CAPTION,
    of: {
      runs: runs.map(({ name }) => name),
      text: 'held-out',
      label: title,
      ...of,
    },
    numbers: {
      measure: { key, title, decimals, growsWithBalance },
      runs: settings.map(({ runs: own, ...named }) => {
        const seeds = own.map(({ loss, balance }) => ({ loss, balance: balance[key]! }));
        return {
          ...{ ...named, router: own[0]!.router ?? '' },
          loss: mean(seeds.map(({ loss }) => loss)),
          balance: mean(seeds.map(({ balance }) => balance)),
          ...(seeds.length > 1 && { seeds }),
        };
      }),
    },
    levels: levelled.levels,
    notes: [
      ...(settings.some(({ runs: own }) => own.length > 1)
        ? ['Points are means over the seeds of a setting; thin lines lead to its single seeds.']
        : []),
      ...levelled.notes,
    ],
  };
}

export const lossBalance: FigureWith<LossBalanceNumbers> = defineFigure<LossBalanceNumbers>({
  name: 'loss-balance',
  heading: 'Loss against balance',
  caption: CAPTION,
  records(runs, context) {
    const { found, missing } = collect(runs, ({ name, setting, look, evaluation, facts }): Part<RunLoss> => {
      if (evaluation.value === undefined) return evaluation;
      const { loss, balance, counts, evaluatedTokens: tokens, step } = evaluation.value;
      if (balance === null) return { missing: 'the model has no experts' };
      const window = routedWindow(counts, tokens);
      const { router, latentDim } = facts;
      return {
        value: { ...{ name, setting, look }, router, loss, step, tokens, balance: balance.mean, window, latentDim },
      };
    });
    const evaluated = found.map(({ value }) => value);
    const records = shownMeasures('short').flatMap((measure) => lossBalanceRecord(measure, evaluated, context) ?? []);
    if (records.length > 0) return { records, missing };
    return { records, missing: [...missing, 'it compares runs: give at least two that were evaluated'] };
  },
  draw({ measure, runs }, { theme, width }, record) {
    const levels = chartLevels(record).flatMap(({ name, ranges }) => {
      const range = ranges[measure.key];
      return range === undefined ? [] : [{ name, range }];
    });
    const input = { measure, runs, levels, ...(width !== undefined && { width: Math.min(width, 900) }) };
    return { option: lossBalanceChart(input, theme), size: lossBalanceSize(input) };
  },
  table: ({ measure, runs }) => ({
    header: ['run', 'router', 'seeds', 'held-out loss', measure.title],
    rows: runs.map(({ name, router, seeds = [], loss, balance }) => [
      ...[name, router, Math.max(1, seeds.length), loss, balance],
    ]),
  }),
});
