/**
 * Tooltips as text on the canvas. ECharts' usual ones are HTML with inline styles, which the page's content security
 * policy forbids, and for good reason: names of runs would be markup there.
 */
import type { EChartsOption } from 'echarts';

/** The option with every tooltip, also those of series and points, as text. */
export function textTooltips(option: EChartsOption): EChartsOption {
  const { series = [] } = option;
  const tooltip = Array.isArray(option.tooltip) ? option.tooltip[0] : option.tooltip;
  return {
    ...option,
    ...(tooltip && { tooltip: { ...ofText(tooltip), renderMode: 'richText', confine: true } }),
    series: (Array.isArray(series) ? series : [series]).map((each) => {
      const data: unknown = each.data;
      return { ...withText(each), ...(Array.isArray(data) && { data: data.map(withText) }) };
    }),
  };
}

/** A series or a point whose tooltip, if it has one, writes text. */
function withText<T>(holder: T): T {
  if (typeof holder !== 'object' || holder === null || !('tooltip' in holder) || !holder.tooltip) return holder;
  return { ...holder, tooltip: ofText(holder.tooltip) };
}

function ofText<T extends object>(tooltip: T): T {
  return 'formatter' in tooltip ? { ...tooltip, formatter: textFormatter(tooltip.formatter) } : tooltip;
}

function textFormatter(formatter: unknown): unknown {
  if (typeof formatter === 'string') return toText(formatter);
  if (typeof formatter !== 'function') return formatter;
  return (...args: unknown[]): unknown => {
    const result: unknown = Reflect.apply(formatter, undefined, args);
    return typeof result === 'string' ? toText(result) : result;
  };
}

/** The text of a little HTML; braces and bars, which style text on a canvas, become look-alikes. */
export function toText(html: string): string {
  return html
    .replaceAll(/<br\s*\/?>/g, '\n')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll(/[{}|]/g, (character) => ({ '{': '❴', '}': '❵' })[character] ?? '¦');
}
