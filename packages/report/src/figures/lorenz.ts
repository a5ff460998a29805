/** Lorenz curves: which share of the load the idlest experts carry. */
import { lorenzCurves, type LorenzInput, lorenzSize } from '@lpr/charts';
import { routedWindow } from '../levels.ts';
import { bySetting } from '../looks.ts';
import {
  collect,
  common,
  defineFigure,
  type FigureContext,
  type FigureRecord,
  type FigureWith,
  levelsAndNotes,
} from './figure.ts';
import { heldOutLoads, loadTable, ofText, recentLoads, type RunLoads, type Text } from './load.ts';

export type LorenzNumbers = Pick<LorenzInput, 'models'>;

const CAPTION =
  'Share of the load that the idlest experts carry; twice the area below the diagonal is the Gini coefficient.';
/** It is square: wider it would not fit a screen. */
const WIDTH = 640;

/** @param layer where the loads are of one alone */
export function lorenzRecord(
  text: Text,
  runs: readonly RunLoads[],
  context: FigureContext,
  layer?: number,
): FigureRecord<LorenzNumbers> {
  const settings = bySetting(runs);
  const { names } = ofText(
    text,
    settings.map(({ name, runs: [first] }) => ({ ...first!, name })),
  );
  const { what, names: runNames, ...of } = ofText(text, runs);
  const leveled = runs.map(({ name, counts, tokens, latentDim }) => ({
    name,
    latentDim,
    window: routedWindow(counts, tokens),
  }));
  const { levels, notes } = levelsAndNotes(leveled, context);
  const several = settings.filter((setting) => setting.runs.length > 1);
  return {
    kind: 'lorenz',
    title: `Lorenz curve of expert load on ${what}${layer === undefined ? '' : `, layer ${layer}`}`,
    caption: CAPTION,
    of: { runs: runs.map(({ name }) => name), text, ...of, ...(layer !== undefined && { layers: [layer] }) },
    numbers: {
      models: settings.map(({ runs: own, ...named }, i) => ({
        ...named,
        name: names[i]!,
        counts: own[0]!.counts,
        ...(own.length > 1 && {
          seeds: own.map((run) => ({ name: runNames[runs.indexOf(run)]!, counts: run.counts })),
        }),
      })),
    },
    levels,
    notes: [...(several.length === 0 ? [] : [seedsNote(several.map((setting) => setting.runs.length))]), ...notes],
  };
}

/** "Lines are means over 3 seeds" @param counts of the seeds of each setting that has several */
function seedsNote(counts: readonly number[]): string {
  return `Lines are means over ${common(counts) ?? 'several'} seeds, bands reach from the lowest seed to the highest.`;
}

/** On held-out text where every run has an evaluation, else in training: all runs on one kind of text. */
export const lorenz: FigureWith<LorenzNumbers> = defineFigure<LorenzNumbers>({
  name: 'lorenz',
  heading: 'Lorenz curves',
  caption: CAPTION,
  records(runs, context) {
    const heldOut = collect(runs, heldOutLoads);
    const training = collect(runs, (run) => recentLoads(run, context.windows));
    const isHeldOut = heldOut.found.length >= training.found.length;
    const { found, missing } = isHeldOut ? heldOut : training;
    if (found.length === 0) return { records: [], missing: training.missing };
    const loads = found.map(({ value }) => value);
    return { records: [lorenzRecord(isHeldOut ? 'held-out' : 'training', loads, context)], missing };
  },
  draw(numbers, { theme, width = WIDTH }) {
    const input = { ...numbers, width: Math.min(width, WIDTH) };
    return { option: lorenzCurves(input, theme), size: lorenzSize(input) };
  },
  table: ({ models }) => loadTable({ models: models.flatMap((model) => model.seeds ?? [model]) }),
});
