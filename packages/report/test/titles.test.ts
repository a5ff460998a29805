/**
 * What every figure says of itself: held-out text or training, never both in one, and which steps; and how figures of
 * many runs come out.
 */
import { normalMargin } from '@lpr/metrics';
import { describe, expect, it } from 'vitest';
import {
  expertLoadRecord,
  FIGURES,
  type FigureRecord,
  lorenzRecord,
  type RunParts,
  simulatedLevels,
} from '../src/index.ts';
import { decisionsRecord } from '../src/figures/decisions.ts';
import { picturesOf } from '../src/node.ts';
import { wholeRun } from './whole-runs.ts';

const context = { levels: simulatedLevels() };

function recordsOf(runs: readonly RunParts[]): FigureRecord[] {
  return FIGURES.flatMap((figure) => {
    const { pictures, missing } = figure.pictures(runs, context);
    expect([figure.name, missing]).toEqual([figure.name, []]);
    expect([figure.name, pictures.length]).not.toEqual([figure.name, 0]);
    return pictures.map(({ record }) => record);
  });
}

/** Words by which a title says what it is of. "Tokens trained on" are how far a run was, not what is measured. */
function textsOf(title: string): string[] {
  const words = title.replaceAll('tokens trained on', '');
  return [...(/held-out/i.test(words) ? ['held-out'] : []), ...(/training/i.test(words) ? ['training'] : [])];
}

const cases: readonly (readonly [string, readonly RunParts[], RegExp])[] = [
  ['of runs that are alike', [wholeRun({ name: 'a' }), wholeRun({ name: 'b' })], /steps? (\d+ to )?30\b/],
  [
    'of runs with other steps and tokens',
    [wholeRun({ name: 'a' }), wholeRun({ name: 'b', steps: [20, 40], tokens: 128 })],
    /steps? (\d+ to )?[34]0\b/,
  ],
];

describe.each(cases)('titles %s', (_, runs, steps) => {
  const records = recordsOf(runs);

  it('say held-out text or training, as the record does', () => {
    expect(records.length).toBeGreaterThan(FIGURES.length);
    expect(records.filter(({ title, of }) => textsOf(title).join(' ') !== of.text).map(({ title }) => title)).toEqual(
      [],
    );
  });

  it('say which steps', () => {
    expect(records.filter(({ title }) => !steps.test(title)).map(({ title }) => title)).toEqual([]);
  });

  it('tell records of the same runs apart', () => {
    const all = records.map(({ title, of }) => JSON.stringify([title, of.runs]));
    expect(new Set(all).size).toBe(all.length);
  });
});

it('titles of pictures that a page makes of a layer or an expert say the same', () => {
  const windows = [10, 20].map((step) => ({ step, counts: [1, 2] }));
  const loads = { name: 'a', counts: [[1, 2]], tokens: 3, step: 20, latentDim: null };
  for (const { title, of } of [
    expertLoadRecord('a', { layer: 0, expert: 1, windows }),
    lorenzRecord('held-out', [loads], context, 0),
    lorenzRecord('training', [loads], context, 0),
  ]) {
    expect([title, textsOf(title)]).toEqual([title, [of.text]]);
    expect(title).toMatch(/step 20\b/);
    expect(title).toMatch(/layer 0\b/);
  }
});

it('decisions of runs of several depths have the level of unrelated scores, up to rounding', () => {
  const margin = normalMargin(8, 2);
  const means = [3, 4, 6].map((layers) =>
    Array.from({ length: layers }, () => margin / layers).reduce((a, b) => a + b),
  );
  expect(new Set(means).size).toBeGreaterThan(1);
  const levelsOf = (margins: readonly number[]) =>
    decisionsRecord(
      margins.map((independentMargin, i) => ({
        name: `run ${i}`,
        evaluations: [{ step: 10, entropy: 0.5, margin: 0.5, independentMargin }],
      })),
    ).numbers.levels.map(({ name }) => name);
  expect(levelsOf(means)).toEqual(['uniform router', 'unrelated scores']);
  expect(levelsOf([margin, 2 * margin])).toEqual(['uniform router']);
});

it('records of whole runs are plain data, and the same each time', () => {
  const runs = [wholeRun({ name: 'a' })];
  for (const figure of FIGURES.filter(({ name }) => name !== 'loss-balance')) {
    const [first, second] = [1, 2].map(() => figure.pictures(runs, context).pictures.map(({ record }) => record));
    expect(first).toEqual(second);
    expect(structuredClone(first)).toEqual(first);
  }
});

it('every figure of whole runs is drawn for either page, with its title, and has its numbers as a table', () => {
  const { pictures, missing } = picturesOf(FIGURES, [wholeRun({ name: 'a' }), wholeRun({ name: 'b' })], context);
  expect(missing).toEqual([]);
  for (const { picture, name } of pictures) {
    for (const theme of ['light', 'dark'] as const) {
      const { option, size } = picture.drawWithNotes({ theme });
      expect([name, size.height > picture.draw({ theme }).size.height]).toEqual([name, true]);
      expect(JSON.stringify(option.graphic)).toContain(picture.record.title.split(' ').slice(0, 3).join(' '));
    }
    const { header, rows } = picture.table();
    expect([name, rows.length > 0]).toEqual([name, true]);
    for (const row of rows) expect(row).toHaveLength(header.length);
  }
});
