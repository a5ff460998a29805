/** How decided routers are about held-out tokens, evaluation by evaluation. */
import { curvesSize, type Look, trainingCurves } from '@lpr/charts';
import { decisionsOverLayers, type MeanDecisions, type Part } from '@lpr/runs/browser';
import { type CurveNumbers, joined, type Point } from './curves.ts';
import { formatMeasure } from '../tables/table.ts';
import { collect, common, defineFigure, type FigureRecord, type FigureWith, stepsText } from './figure.ts';

export interface DecisionNumbers extends CurveNumbers {
  /** A level across a panel each: what a uniform router has, and unrelated scores where it is the same for all runs. */
  readonly levels: readonly { readonly name: string; readonly values: Readonly<Record<string, number>> }[];
}

interface DecidedRun {
  readonly name: string;
  readonly look?: Look | undefined;
  readonly evaluations: readonly ({ readonly step: number } & MeanDecisions)[];
}

const CAPTION =
  'Entropy of the scores of a token over the largest there is, and the margin between the last score that is chosen and the first that is not, in standard deviations of its scores; means over tokens and layers. A uniform router has entropy 1 and margin 0.';

export function decisionsRecord(runs: readonly DecidedRun[]): FigureRecord<DecisionNumbers> {
  const steps = runs.flatMap(({ evaluations }) => evaluations.map(({ step }) => step));
  // A mean over layers, so that models of other depths have it rounded otherwise.
  const margin = common(
    runs.flatMap(({ evaluations }) =>
      evaluations.map(({ independentMargin: each }) => (each === null ? null : Number(each.toPrecision(9)))),
    ),
  );
  const points = (of: DecidedRun, key: 'entropy' | 'margin'): Point[] =>
    of.evaluations.flatMap(({ step, [key]: value }) => (value === null ? [] : [[step, value] as const]));
  return {
    kind: 'decisions',
    title: `Router entropy and margin on held-out text, ${stepsText(steps)}`,
    caption: CAPTION,
    of: { runs: runs.map(({ name }) => name), text: 'held-out', step: Math.max(...steps) },
    numbers: {
      panels: [
        {
          key: 'entropy',
          ...{ free: true, bound: 1, axis: 'Entropy over its maximum' },
          title: 'Router entropy',
          subtitles: ['of the scores over its maximum; 1 is a uniform router'],
        },
        {
          key: 'margin',
          title: 'Router margin',
          axis: 'Margin, standard deviations',
          subtitles: [
            "between the k-th score and the next, in standard deviations; 0 is a uniform router's",
            'k-th score less the next, in deviations; 0 is a uniform router',
            'k-th score less the next',
          ],
        },
      ],
      runs: runs.map((run) => ({
        name: run.name,
        ...run.look,
        series: { entropy: points(run, 'entropy'), margin: points(run, 'margin') },
      })),
      firstStep: 0,
      levels: [
        { name: 'uniform router', values: { entropy: 1, margin: 0 } },
        ...(typeof margin === 'number' ? [{ name: 'unrelated scores', values: { margin } }] : []),
      ],
    },
    levels: [],
    notes: marginNotes(runs),
  };
}

/** What margin unrelated scores have, of runs that differ in it. */
function marginNotes(runs: readonly DecidedRun[]): string[] {
  const groups = new Map<string, string[]>();
  for (const { name, evaluations } of runs) {
    const margin = formatMeasure(evaluations.at(-1)!.independentMargin);
    groups.set(margin, [...(groups.get(margin) ?? []), name]);
  }
  if (groups.size < 2) return [];
  const [[most], ...others] = [...groups].toSorted(([, a], [, b]) => b.length - a.length) as [
    [string],
    ...[string, string[]][],
  ];
  const each = others.map(([margin, names]) => `, of ${margin === '-' ? 'none' : margin} in ${names.join(', ')}`);
  return [`Unrelated scores would have a margin of ${most}${each.join('')}.`];
}

export const decisions: FigureWith<DecisionNumbers> = defineFigure<DecisionNumbers>({
  name: 'decisions',
  heading: 'How decided routers are',
  caption: CAPTION,
  records(runs) {
    const { found, missing } = collect(runs, ({ evaluations }): Part<DecidedRun['evaluations']> => {
      if (evaluations.value === undefined) return evaluations;
      const known = evaluations.value.flatMap((line) => {
        const decided = decisionsOverLayers(line);
        return decided === null ? [] : [{ step: line.step, ...decided }];
      });
      return known.length > 0
        ? { value: known }
        : {
            missing:
              'no evaluation says how decided its routers are: none routes by the largest scores, or no tokens were traced',
          };
    });
    if (found.length === 0) return { records: [], missing };
    return {
      records: [decisionsRecord(found.map(({ run: { name, look }, value }) => ({ name, look, evaluations: value })))],
      missing,
    };
  },
  axes: () => ['step'],
  draw({ levels, ...numbers }, { theme, width, view }) {
    const shown = levels.filter(({ name }) => numbers.runs.every((run) => run.name !== name));
    const input = {
      ...numbers,
      levels: shown.map(({ name, values }) => ({
        name,
        ranges: Object.fromEntries(
          Object.entries(values).map(([key, value]) => [key, { mean: value, low: value, high: value }]),
        ),
      })),
      width: width ?? 900,
      ...(view && { view }),
    };
    return { option: trainingCurves(input, theme), size: curvesSize(input) };
  },
  table: ({ runs, levels }) => ({
    header: ['run', 'step', 'entropy', 'margin'],
    rows: [
      ...runs.flatMap(({ name, series }) =>
        joined([series['entropy'] ?? [], series['margin'] ?? []]).map(({ step, values }) => [name, step, ...values]),
      ),
      ...levels.map(({ name, values }) => [name, null, values['entropy'] ?? null, values['margin'] ?? null]),
    ],
  }),
});
