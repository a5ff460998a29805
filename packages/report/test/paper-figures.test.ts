/** Figures 3 and 4 of the paper, measured: what they are made of, and what they say where something is missing. */
import { expect, it } from 'vitest';
import {
  lossTokensHeldOut,
  lossTokensTraining,
  type RunParts,
  simulatedLevels,
  specialisationBalance,
} from '../src/index.ts';
import { wholeRun } from './whole-runs.ts';

const context = { levels: simulatedLevels() };
const [first, second] = [wholeRun({ name: 'a' }), wholeRun({ name: 'b', steps: [30] })];

function only(run: RunParts, what: (line: NonNullable<RunParts['evaluation']['value']>) => object): RunParts {
  const line = run.evaluation.value!;
  const changed = { ...line, ...what(line) };
  return { ...run, evaluation: { value: changed }, evaluations: { value: [changed] } };
}

it('loss against tokens is of held-out text or of training, with the Gini on the same text', () => {
  const [heldOut, training] = [lossTokensHeldOut, lossTokensTraining].map((figure) => {
    const { pictures, missing } = figure.pictures([first, second], context);
    expect(missing).toEqual([]);
    return pictures[0]!;
  });
  const { gini } = first.evaluation.value!.balance!.mean;
  expect(heldOut!.record).toMatchObject({
    kind: 'loss-tokens-held-out',
    title: 'Loss on 64 held-out tokens against tokens trained on, steps 10 to 30',
    of: { text: 'held-out', step: 30, tokens: 64 },
    numbers: {
      title: 'Held-out loss',
      runs: [
        { name: 'a', gini, points: [[1000, 4], [2000, 3.9], [3000, 3.8]] }, // biome-ignore format: points
        { name: 'b', points: [[3000, 4]] },
      ],
    },
  });
  expect(heldOut!.record.notes).toContainEqual(
    expect.stringMatching(/^Evaluated once, so a point and no line: b\. With evaluation\.every/),
  );
  expect(training!.record).toMatchObject({
    kind: 'loss-tokens-training',
    title: 'Training loss against tokens trained on, steps 1 to 30',
    of: { text: 'training' },
    numbers: { title: 'Training loss', runs: [{ name: 'a', gini: 1 / 30 }, { name: 'b', gini: 1 / 30 }] }, // biome-ignore format: runs
  });
  expect(heldOut!.table().rows[0]).toEqual(['a', gini, 1000, 4]);
});

it('loss against tokens names what runs lack, and draws the others', () => {
  const without = { ...second, series: { missing: 'it is gone' }, evaluations: { missing: 'it was not evaluated' } };
  for (const [figure, reason] of [
    [lossTokensHeldOut, 'it was not evaluated'],
    [lossTokensTraining, 'it is gone'],
  ] as const) {
    const { pictures, missing } = figure.pictures([first, without], context);
    expect(pictures.map(({ record }) => record.of.runs)).toEqual([['a']]);
    expect(missing).toEqual([`b: ${reason}`]);
    expect(figure.pictures([without], context).pictures).toEqual([]);
  }
  const series = { ...first.series.value!, series: { loss: first.series.value!.series['loss']! } };
  const early = { ...first, series: { value: series } };
  expect(lossTokensTraining.pictures([early], context).missing).toEqual(['a: no step says its loss and tokens']);
  const dense = only(first, () => ({ balance: null, counts: [] }));
  expect(lossTokensHeldOut.pictures([dense], context).pictures[0]!.record.numbers).toMatchObject({
    runs: [{ gini: null }],
  });
});

it('specialisation against balance is a path over the evaluations, information less its bias', () => {
  const { pictures, missing } = specialisationBalance.pictures([first, second], context);
  expect(missing).toEqual([]);
  const { record } = pictures[0]!;
  const gini = first.evaluation.value!.balance!.mean.gini!;
  const informations = [0.2, 0.3, 0.4].map((nats) => nats - 0.25);
  expect(record.title).toBe('Specialisation against balance on 64 held-out tokens, steps 10 to 30');
  expect(record.numbers).toMatchObject({
    runs: [
      {
        name: 'a',
        points: [10, 20, 30].map((step, i) => ({ step, gini, information: expect.closeTo(informations[i]!, 12) })),
      },
      { name: 'b', points: [{ step: 30, gini }] },
    ],
  });
  expect(record.levels.map(({ name, ranges }) => [name, Object.keys(ranges)])).toEqual([
    ['sampling floor', ['gini']],
    ['isotropic null', ['gini']],
  ]);
  const notes = record.notes.join('\n');
  expect(notes).toContain('Evaluated once, so a point and no line: b.');
  // Of b, 0.2 nats less a bias of 0.25.
  expect(notes).toContain('below its own bias, so that no specialisation is shown, in b.');
  expect(notes).not.toContain('min-max');
  expect(pictures[0]!.table().rows).toHaveLength(4);
});

it('specialisation against balance shows seeds of a setting as one', () => {
  const seeds = [first, second].map((run) => ({ ...run, setting: 'LPR' }));
  const { record } = specialisationBalance.pictures(seeds, context).pictures[0]!;
  expect(record.numbers).toMatchObject({ runs: [{ name: 'a', entry: 'LPR' }, { name: 'b', entry: 'LPR' }] }); // biome-ignore format: runs
});

it('specialisation against balance says what a run lacks', () => {
  const missingOf = (run: RunParts): readonly string[] => specialisationBalance.pictures([run], context).missing;
  expect(missingOf(only(first, () => ({ mutualInformation: null })))).toEqual([
    'a: no evaluation has the mutual information of expert and token',
  ]);
  expect(missingOf(only(first, () => ({ balance: null, counts: [] })))).toEqual(['a: the model has no experts']);
  expect(missingOf({ ...first, evaluations: { missing: 'it was not evaluated' } })).toEqual([
    'a: it was not evaluated',
  ]);
});
