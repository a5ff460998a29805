/** What the page makes of names and texts that anybody may have written. */
import type { EChartsOption } from 'echarts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toCsv } from '../page/csv.ts';
import { textTooltips } from '../page/tooltips.ts';

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

describe('tooltips', () => {
  const html = 'run &#60;img src=x&#62;<br>loss <b>2.0</b> {a|b}';
  const text = 'run <img src=x>\nloss 2.0 ❴a¦b❵';

  it('are text on the canvas: of the figure, of series and of points', () => {
    const option = {
      tooltip: { trigger: 'item' },
      series: [
        { type: 'custom', tooltip: { formatter: () => html } },
        {
          type: 'scatter',
          data: [[1, 2], { value: [1, 2], label: { formatter: '<br>' }, tooltip: { formatter: html } }],
        },
      ],
    } as unknown as EChartsOption;
    const { tooltip, series } = textTooltips(option) as unknown as {
      tooltip: object;
      series: [{ tooltip: { formatter: () => string } }, { data: [unknown, { label: object; tooltip: object }] }];
    };
    expect(tooltip).toEqual({ trigger: 'item', renderMode: 'richText', confine: true });
    expect(series[0].tooltip.formatter()).toBe(text);
    expect(series[1].data[0]).toEqual([1, 2]);
    expect(series[1].data[1].tooltip).toEqual({ formatter: text });
    // Labels are drawn on the canvas anyway.
    expect(series[1].data[1].label).toEqual({ formatter: '<br>' });
  });
});
