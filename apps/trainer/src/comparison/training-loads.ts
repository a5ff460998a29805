/** How even the loads of training were at some of its steps, such as those after a shift of the text. */
import { basename, resolve } from 'node:path';
import { layersReport, type LoadShape, type LoadWindow, meanEstimate, samplingFloor } from '@lpr/metrics';
import type { Table } from '@lpr/results';
import { readRun, settingName } from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';
import { readSettings } from '../settings/check.ts';

/**
 * The Gini coefficient of the window of `training.logEvery` steps that ends at each of some steps, as mean over layers
 * and the seeds of a name with its 95 % interval, and the sampling floor of as many tokens.
 *
 * @param folders of runs, finished or not; each is a row by its name, but for the seed at its end
 * @throws UsageError when a run has no window that ends at a step, or windows are not all of the same shape
 */
export async function trainingLoadsTable(
  folders: readonly [string, ...string[]],
  steps: readonly number[],
): Promise<Table> {
  /** Of each run's windows, by the name of its setting. */
  const byName = new Map<string, number[][]>();
  let first: { readonly folder: string; readonly shape: WindowShape } | undefined;
  for (const folder of folders) {
    const [{ seed }, { loads }] = await Promise.all([readSettings(folder), readRun(resolve(folder))]);
    if (loads.value === undefined) throw new UsageError(`${folder}: ${loads.missing}`);
    const { shape, windows } = loads.value;
    const chosen = steps.map((step) => windowAt(folder, windows, step));
    for (const { tokens } of chosen) {
      const { layers, experts, topK } = shape;
      first ??= { folder, shape: { layers, experts, topK, tokens } };
      const [own, others] = [shapeText({ ...shape, tokens }), shapeText(first.shape)];
      if (own === others) continue;
      throw new UsageError(
        `${folder} has windows of ${own}, but ${first.folder} of ${others}; put runs beside each other that differ in neither, nor in training.logEvery`,
      );
    }
    const name = settingName(basename(resolve(folder)), seed);
    const ginis = chosen.map(({ counts }) => layersReport(counts).mean.gini);
    byName.set(name, [...(byName.get(name) ?? []), ginis]);
  }
  const { shape } = first!;
  const floor = { ...samplingFloor(shape).mean.gini };
  const row = (name: string, cell: (i: number) => Table['rows'][number][string]): Table['rows'][number] => ({
    name,
    ...Object.fromEntries(steps.map((step, i) => [step, cell(i)])),
  });
  const hasSeeds = [...byName.values()].some((runs) => runs.length > 1);
  return {
    title: `Gini of the load in training, windows of ${shape.tokens.toLocaleString('en')} tokens`,
    columns: [
      { key: 'name', title: 'run' },
      ...steps.map((step) => ({ key: String(step), title: `to step ${step.toLocaleString('en')}`, decimals: 3 })),
    ],
    rows: [
      ...Array.from(byName, ([name, runs]) =>
        row(name, (i) => {
          const { mean, error } = meanEstimate(runs.map((ginis) => ginis[i]!));
          return { value: mean, error };
        }),
      ),
      row('sampling floor', () => floor),
    ],
    notes: [
      `Load in training, ${shape.tokens.toLocaleString('en')} tokens to the step.`,
      ...(hasSeeds ? ["± is the 95 % interval of the mean over seeds (Student's t)."] : []),
    ],
  };
}

type WindowShape = LoadShape & Pick<LoadWindow, 'tokens'>;

function shapeText({ layers, experts, topK, tokens }: WindowShape): string {
  return `${layers} layers of ${experts} experts, top-${topK}, and ${tokens} tokens`;
}

function windowAt(folder: string, windows: readonly LoadWindow[], step: number): LoadWindow {
  const window = windows.find((each) => each.step === step);
  if (window !== undefined) return window;
  const ends = windows.map((each) => each.step);
  const some = ends.length > 6 ? `${ends.slice(0, 5).join(', ')} ... ${ends.at(-1)}` : ends.join(', ');
  throw new UsageError(
    `${folder} has no window of loads that ends at step ${step}, but at ${some}; ask for some of these, or train it with another training.logEvery`,
  );
}
