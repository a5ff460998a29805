import { expect, it } from 'vitest';
import { FIGURES, recordsText, simulatedLevels, storedPictures } from '../src/index.ts';
import { wholeRun } from './whole-runs.ts';

const context = { levels: simulatedLevels() };

it('every figure is drawn of its record that was kept as text as of the record itself', () => {
  const runs = [wholeRun({ name: 'a' }), wholeRun({ name: 'b' })];
  const pictures = FIGURES.flatMap((figure) => figure.pictures(runs, context).pictures);
  const kept = storedPictures(recordsText(pictures.map(({ record }) => record)));
  expect(kept.map(({ record }) => record.title)).toEqual(pictures.map(({ record }) => record.title));
  for (const [i, picture] of kept.entries()) {
    const [drawn, original] = [picture, pictures[i]!].map((each) => each.draw({ theme: 'light' }));
    expect([picture.record.kind, drawn!.size]).toEqual([picture.record.kind, original!.size]);
    const seriesOf = ({ option: { series } }: typeof drawn & object) => (Array.isArray(series) ? series.length : 1);
    expect(seriesOf(drawn!)).toBe(seriesOf(original!));
  }
});

it('numbers that JSON has no word for, and arrays of any kind, come back; names that look like them do not', () => {
  const [record] = FIGURES.find(({ name }) => name === 'curves')!
    .pictures([wholeRun({ name: 'a' })], context)
    .pictures.map((picture) => picture.record);
  const numbers = {
    ...(record!.numbers as object),
    more: [Number.NaN, -Infinity, Float64Array.of(1 / 3), 123_456_789],
  };
  const [kept] = storedPictures(recordsText([{ ...record!, numbers, title: '\u0000NaN' }]));
  expect((kept!.record.numbers as typeof numbers).more).toEqual([Number.NaN, -Infinity, [0.333333], 123_456_789]);
  expect(kept!.record.title).toBe(' NaN');
  expect(() => storedPictures(recordsText([{ ...record!, kind: 'none' }]))).toThrow('there is no figure "none"');
});
