/** The life of an expert in sentences. */
import type { ExpertLife } from '../src/api.ts';
import { whole } from './format.ts';

/** What can be known: counts of training tokens, and which held-out tokens the traces of evaluations have. */
export function lifeOf({ training, heldOut }: ExpertLife): string[] {
  return [trainingText(training), heldOutText(heldOut)];
}

function trainingText(training: ExpertLife['training']): string {
  if (training === null) return 'Training: no logging window has closed yet, so its load is not known.';
  const { last, step, windows, tokensSince } = training;
  if (last === null) {
    return `Training: dead from the start. It got none of ${whole(tokensSince)} tokens in ${whole(windows)} windows until step ${whole(step)}.`;
  }
  const window = `in steps ${whole(last.after + 1)} to ${whole(last.step)}`;
  const got = `${whole(last.load)} of ${whole(last.tokens)} tokens ${window}`;
  if (last.step === step) return `Training: alive. It got ${got}, the newest window.`;
  return (
    `Training: dead since step ${whole(last.step)}. The last that it got were ${got}; ` +
    `since then, until step ${whole(step)}, none of ${whole(tokensSince)}. Windows keep counts alone, so which tokens they were is not known.`
  );
}

function heldOutText(heldOut: ExpertLife['heldOut']): string {
  if (heldOut === null)
    return 'Held-out text: no evaluation left a routing trace, so which tokens it saw is not known.';
  const { last, traces, step } = heldOut;
  const read =
    traces === 1 ? `the trace of step ${whole(step)}` : `the ${traces} newest traces, until step ${whole(step)}`;
  if (last === null) return `Held-out text: it got no token in ${read}.`;
  const most = last.most.map(({ text, count }) => `${JSON.stringify(text)} ${count}×`).join(', ');
  const when =
    last.step === step
      ? `at step ${whole(step)}, the newest trace`
      : `at step ${whole(last.step)}, and none in the traces after it`;
  return `Held-out text: it last got ${whole(last.tokens)} of ${whole(last.of)} tokens ${when}: ${most}.`;
}
