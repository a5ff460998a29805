/** What files make of names and texts that anybody may have written. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toCsv } from '../src/tables.ts';

describe('comma-separated values', () => {
  it('quote what needs it, and keep formulas from being run', () => {
    const rows = [
      ['a "b", c', 1.5],
      ['=HYPERLINK("http://evil")', null],
      ['-1+1', -1],
      ['line\nbreak', 1e-7],
    ];
    expect(toCsv({ header: ['name', 'value'], rows })).toBe(
      'name,value\r\n"a ""b"", c",1.5\r\n"\'=HYPERLINK(""http://evil"")",\r\n\'-1+1,-1\r\n"line\nbreak",1e-7\r\n',
    );
  });

  it('give every text back that is no formula', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc
            .string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', '=', 'é', '😀') })
            .filter((text) => !/^[=+\-@\t\r]/.test(text)),
          { minLength: 1 },
        ),
        (texts) => {
          const line = toCsv({ header: texts, rows: [] });
          const fields = [...`,${line.slice(0, -2)}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^,"]*))/g)];
          expect(fields.map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain)).toEqual(texts);
        },
      ),
    );
  });
});
