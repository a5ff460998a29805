/** Records of figures as text, to be kept in a page and drawn there. */
import type { FigureRecord, Picture } from './figures/figure.ts';
import { FIGURES } from './registry.ts';

/** Digits of numbers that are no whole ones: more than a picture shows. */
const DIGITS = 6;
/** What JSON has no word for; no text of a record begins so. */
const NOT_FINITE = '\u0000';

/** Arrays of numbers of any kind become lists; what is not whole is rounded to six digits. */
export function recordsText(records: readonly FigureRecord[]): string {
  return JSON.stringify(records, (_, value: unknown) => {
    if (typeof value === 'number') {
      if (!Number.isFinite(value)) return `${NOT_FINITE}${value}`;
      return Number.isInteger(value) ? value : Number(value.toPrecision(DIGITS));
    }
    if (typeof value === 'string') return value.replaceAll(NOT_FINITE, ' ');
    return ArrayBuffer.isView(value) ? Array.from(value as Float64Array) : value;
  });
}

/** A record as JSON for other programs, with all digits; what is no number is null. */
export function recordJson(record: FigureRecord): string {
  const plain = (_: string, value: unknown): unknown =>
    ArrayBuffer.isView(value) ? Array.from(value as Float64Array) : value;
  return `${JSON.stringify(record, plain, 1)}\n`;
}

/** The pictures of records that were kept, in their order. @throws RangeError for a kind that there is not */
export function storedPictures(text: string): Picture[] {
  const records = JSON.parse(text, (_, value: unknown) =>
    typeof value === 'string' && value.startsWith(NOT_FINITE) ? Number(value.slice(1)) : value,
  ) as FigureRecord[];
  return records.map((record) => {
    const figure = FIGURES.find(({ name }) => name === record.kind);
    if (figure === undefined) throw new RangeError(`there is no figure "${record.kind}"`);
    return figure.redraw(record);
  });
}
