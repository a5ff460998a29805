/** What the page makes of names and texts that anybody may have written. */
import type { EChartsOption } from 'echarts';
import { describe, expect, it } from 'vitest';
import { textTooltips } from '../page/tooltips.ts';

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
