/**
 * A run that trains longer than it was to. Nothing that is trained is taken back: the run goes on from its newest
 * checkpoint, and from there on the learning rate is what a run of the new length has at that step. What the run was
 * before stays in its settings (`training.lengthened`), so that each step has one learning rate, wherever the run goes
 * on from, and the settings alone repeat the run.
 */
import { basename, dirname, join, resolve } from 'node:path';
import {
  changeSettings,
  finalEvaluation,
  readEvaluations,
  resumableCheckpoint,
  RUN_FILES,
  type RunFolder,
} from '@lpr/runs';
import { learningRateFactor, makeSchedule } from '@lpr/train';
import { UsageError } from '../cli/errors.ts';
import { readComparison } from '../comparison/comparison.ts';
import { checkSettings, readSettings } from '../settings/check.ts';
import type { Settings } from '../settings/schema.ts';
import { heldSettings } from './finish.ts';

/**
 * Gives a run more steps. A process that is killed meanwhile leaves the run longer, or as it was, perhaps without its
 * final evaluation, which `resume` makes again.
 *
 * @param run locked
 * @param steps of the whole run; as many as it has change nothing
 * @returns a line that restates the schedule; null where nothing changed
 * @throws UsageError when there would be fewer steps than before, the run stopped since it no longer got better, or
 *   belongs to a comparison; Error when its settings are not those that it began with
 */
export async function lengthenRun(run: RunFolder, steps: number): Promise<string | null> {
  const settings = await readSettings(run.path);
  const { training } = settings;
  if (steps === training.steps) return null;
  await checkAlone(run.path, steps);
  const checkpoint = await resumableCheckpoint(run.path, ({ message }) =>
    console.error(`warning: ${message}; using the one before`),
  );
  // Steps that are done again, since a checkpoint was damaged, are done as they were.
  const until = Math.max(checkpoint?.state.step ?? 0, training.lengthened?.at(-1)?.until ?? 0);
  if (steps < training.steps) {
    throw new UsageError(
      `--steps ${steps}: ${run.path} has ${training.steps} steps already, ${until} of them done; give more, to train it longer, ` +
        'or leave --steps out, to go on as it began',
    );
  }
  const final = finalEvaluation(await readEvaluations(run.path));
  if (final !== undefined && final.step < training.steps) {
    throw new UsageError(
      `--steps ${steps}: ${run.path} stopped at step ${final.step} of ${training.steps}, since its evaluations no longer got better ` +
        '(evaluation.patience); it would stop there again',
    );
  }
  // Without a step done there is nothing that it was before.
  const before = [...(training.lengthened ?? []), { steps: training.steps, until }].filter((each) => each.until > 0);
  const longer = { ...training, steps, ...(before.length > 0 && { lengthened: before }) };
  const changed = checkSettings({ ...settings, training: longer }, `${run.path} with ${steps} steps`);
  const held = heldSettings(settings, join(run.path, RUN_FILES.config));
  await changeSettings(run.path, held, changed, () => run.reopen());
  return lengthenedText(settings, changed, until);
}

/** @throws UsageError where a run is one of a comparison, whose other runs have as many steps */
async function checkAlone(path: string, steps: number): Promise<void> {
  const folder = dirname(resolve(path));
  const comparison = await readComparison(folder);
  if (comparison === null || !comparison.runs.has(basename(resolve(path)))) return;
  throw new UsageError(
    `--steps ${steps}: ${path} is a run of the comparison in ${folder}, which holds all of them to their steps; ` +
      'copy its folder out of there and lengthen the copy',
  );
}

/** What becomes of the learning rate, in one line. */
function lengthenedText({ training: before }: Settings, { training: now }: Settings, from: number): string {
  const schedule = makeSchedule({ ...now, kind: now.schedule }, now.steps);
  const { warmupSteps, stableSteps, decaySteps, decay } = schedule;
  const rate = (factor: number): string => String(Number((now.learningRate * factor).toPrecision(3)));
  const phases = [
    ...(warmupSteps > from ? [`up to ${rate(1)} by step ${warmupSteps}`] : []),
    ...(warmupSteps + stableSteps > from
      ? [`${rate(1)} until step ${Math.min(warmupSteps + stableSteps, now.steps)}`]
      : []),
    ...(decaySteps > 0 ? [`down to ${rate(now.minRatio)} by step ${now.steps} (${decay})`] : []),
  ];
  const old = learningRateFactor(makeSchedule({ ...before, kind: before.schedule }, before.steps), from);
  const next = learningRateFactor(schedule, from);
  const change = old === next ? `${rate(next)} as before` : `${rate(next)} in place of ${rate(old)}`;
  return (
    `${before.steps} steps become ${now.steps}: from step ${from} on the learning rate is that of a run of ${now.steps} steps ` +
    `(${now.schedule}), now ${change}${next > old ? ', so it goes up again' : ''}; then ${phases.join(', ')}`
  );
}
