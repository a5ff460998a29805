/** Legends at the foot of figures, placed before they are drawn, and what tooltips look like. */
import type { EChartsOption, TooltipComponentOption } from 'echarts';
import type { Size } from './parts.ts';
import { FONT, type ThemeName, themeOf } from './palette.ts';
import { textWidth } from './text.ts';

const LEGEND_ROW = 12;
const ITEM_GAP = 20;
const ITEM_LINE = 26;

/** Names in a legend are cut to so many CSS pixels. */
export const LEGEND_NAME = 260;
export const LEGEND_FONT = 12;

/** Legend icons of lines beside entries of other shapes, which would give a plain line a dot. */
export const LINE_ICON = 'path://M0,0h26v1.6h-26z';
/** In the order of `REFERENCE_DASHES`. */
export const DASH_ICONS = [
  'path://M0,0h2v1.6h-2zM4,0h2v1.6h-2zM8,0h2v1.6h-2zM12,0h2v1.6h-2zM16,0h2v1.6h-2zM20,0h2v1.6h-2zM24,0h2v1.6h-2z',
  'path://M0,0h6v1.6h-6zM10,0h6v1.6h-6zM20,0h6v1.6h-6z',
  'path://M0,0h8v1.6h-8zM11,0h2v1.6h-2zM16,0h8v1.6h-8z',
] as const;

/** Entries are placed as ECharts does, from left to right and then on the next row. */
export function legendHeight(names: readonly string[], width: number): number {
  if (names.length === 0) return 10;
  const room = width - 2 * ITEM_GAP;
  let rows = 1;
  let used = 0;
  for (const name of names) {
    // A little more than the text, as a page without the figures' font may need.
    const entry = ITEM_LINE + 5 + 1.05 * textWidth(name, LEGEND_FONT) + 4;
    if (used > 0 && used + entry > room) {
      rows++;
      used = 0;
    }
    used += entry + ITEM_GAP;
  }
  return 12 + rows * LEGEND_ROW + (rows - 1) * ITEM_GAP + 14;
}

/**
 * The legend at the foot of a figure of the given size. Each entry has a piece of its line, or the shape that `icon`
 * gives it.
 */
export function legendOf(
  names: readonly string[],
  { width, height }: Size,
  theme: ThemeName,
  icon?: (name: string) => string | undefined,
): NonNullable<EChartsOption['legend']> {
  const { ink, inkSoft } = themeOf(theme);
  return {
    left: 'center',
    top: height - legendHeight(names, width) + 8,
    width: width - 2 * ITEM_GAP,
    padding: 0,
    data: names.map((name) => {
      const shape = icon?.(name);
      return { name, ...(shape !== undefined && { icon: shape }) };
    }),
    itemWidth: names.every((name) => icon?.(name) === 'rect') ? 12 : ITEM_LINE,
    // Of no height, the dot that ECharts puts on a legend line vanishes.
    itemHeight: icon ? 10 : 0,
    itemGap: ITEM_GAP,
    textStyle: { fontFamily: FONT, fontSize: LEGEND_FONT, color: ink },
    inactiveColor: inkSoft,
  };
}

/** What a tooltip looks like. */
export function tooltipOf(trigger: 'axis' | 'item', theme: ThemeName): TooltipComponentOption {
  const { ink, background, frame } = themeOf(theme);
  const textStyle = { fontFamily: FONT, fontSize: 12, color: ink };
  return { trigger, backgroundColor: background, borderColor: frame, textStyle };
}
