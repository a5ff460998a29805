/**
 * Specialisation against balance, a path over training for each run (figure 4 of the LPR paper, arXiv 2506.21328,
 * measured): both on the same held-out text, at each evaluation.
 */
import {
  type Look,
  specialisationBalance as specialisationBalanceChart,
  type SpecialisationBalanceInput,
  specialisationBalanceSize,
} from '@lpr/charts';
import type { Part } from '@lpr/runs/browser';
import { routedWindow, someRuns } from '../levels.ts';
import type { RunParts } from '../parts.ts';
import { tokensText } from '../tables/table.ts';
import { chartLevels } from './curves.ts';
import {
  collect,
  common,
  defineFigure,
  type FigureContext,
  type FigureRecord,
  type FigureWith,
  type Leveled,
  levelsAndNotes,
  stepsText,
} from './figure.ts';
import { onceEvaluated } from './loss-tokens.ts';

export type SpecialisationBalanceNumbers = Pick<SpecialisationBalanceInput, 'runs'>;

const CAPTION =
  'Mutual information of expert and token less its bias, against 1 - Gini of the loads, mean over layers: a path for each run from its first evaluation to its last.';

type Run = Pick<SpecialisationBalanceInput['runs'][number], 'name' | 'points'> &
  Leveled & { readonly tokens: number; readonly look: Look | undefined };

function recordOf(runs: readonly Run[], context: FigureContext): FigureRecord<SpecialisationBalanceNumbers> {
  const steps = runs.flatMap(({ points }) => points.map(({ step }) => step));
  const last = Math.max(...steps);
  const counts = runs.map((run) => run.tokens);
  const tokens = common(counts);
  const once = runs.filter(({ points }) => points.length === 1).map(({ name }) => name);
  const below = runs.filter(({ points }) => points.at(-1)!.information < 0).map(({ name }) => name);
  const { levels, notes } = levelsAndNotes(runs, context, 'gini');
  return {
    kind: 'specialisation-balance',
    title: `Specialisation against balance on ${tokensText(counts)}, ${stepsText(steps)}`,
    caption: CAPTION,
    of: {
      ...{ runs: runs.map(({ name }) => name), text: 'held-out', step: last },
      ...(tokens !== undefined && { tokens }),
    },
    numbers: { runs: runs.map(({ name, look, points }) => ({ name, ...look, points })) },
    levels,
    notes: [
      'At 0 the choice of an expert says no more of the token than it would by chance.',
      ...(below.length === 0
        ? []
        : [
            `In the end the information is below its own bias, so that no specialisation is shown, in ${someRuns(below)}.`,
          ]),
      ...(once.length === 0 ? [] : [onceEvaluated(once)]),
      ...notes,
    ],
  };
}

export const specialisationBalance: FigureWith<SpecialisationBalanceNumbers> =
  defineFigure<SpecialisationBalanceNumbers>({
    name: 'specialisation-balance',
    heading: 'Specialisation against balance',
    caption: CAPTION,
    records(runs, context) {
      const { found, missing } = collect(runs, pathOf);
      if (found.length === 0) return { records: [], missing };
      return {
        records: [
          recordOf(
            found.map(({ value }) => value),
            context,
          ),
        ],
        missing,
      };
    },
    draw({ runs }, { theme, width }, record) {
      const levels = chartLevels(record).flatMap(({ name, ranges }) => {
        const range = ranges['gini'];
        // A run may have the name of a level, and names tell lines apart.
        return range === undefined || runs.some((run) => (run.entry ?? run.name) === name) ? [] : [{ name, range }];
      });
      const input = { runs, levels, ...(width !== undefined && { width: Math.min(width, 900) }) };
      return { option: specialisationBalanceChart(input, theme), size: specialisationBalanceSize(input) };
    },
    table: ({ runs }) => ({
      header: ['run', 'step', 'Gini', 'I(expert; token) less its bias'],
      rows: runs.flatMap(({ name, points }) =>
        points.map(({ step, gini, information }) => [name, step, gini, information]),
      ),
    }),
  });

function pathOf({ name, setting, look, evaluations, evaluation, facts }: RunParts): Part<Run> {
  if (evaluations.value === undefined) return evaluations;
  if (evaluation.value === undefined) return evaluation;
  const points = evaluations.value.flatMap(({ step, balance, mutualInformation, mutualInformationBias }) => {
    const gini = balance?.mean.gini ?? null;
    if (gini === null || mutualInformation === null || mutualInformationBias === null) return [];
    return [{ step, gini, information: mutualInformation - mutualInformationBias }];
  });
  const { balance, counts, evaluatedTokens: tokens } = evaluation.value;
  if (balance === null) return { missing: 'the model has no experts' };
  if (points.length === 0) return { missing: 'no evaluation has the mutual information of expert and token' };
  return {
    value: {
      name,
      look: look ?? (setting === undefined ? undefined : { entry: setting }),
      points,
      tokens,
      window: routedWindow(counts, tokens),
      latentDim: facts.latentDim,
    },
  };
}
