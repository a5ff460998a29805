/** What figures are made of: the page, titles, text, and axes of numbers. */
import type { EChartsOption } from 'echarts';
import { FONT, type ThemeName, themeOf } from './palette.ts';
import { oneLine, shortened, textWidth, truncate } from './text.ts';

/** What every figure is a function to. */
export type FigureOption = EChartsOption;

/** CSS pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** One of the components that an option holds a list of. */
export type Part<Name extends 'title' | 'grid' | 'xAxis' | 'yAxis' | 'graphic' | 'series'> = Extract<
  EChartsOption[Name],
  readonly unknown[]
>[number];

export type GraphicPart = Part<'graphic'>;

/** Page and type, the same in each figure. */
export function baseOption(theme: ThemeName): EChartsOption {
  const { background, ink } = themeOf(theme);
  return { animation: false, backgroundColor: background, textStyle: { fontFamily: FONT, color: ink } };
}

/**
 * Title and, below it, the first of `subtitles` that there is room for; the title, and the last subtitle, are cut with
 * an ellipsis where they are wider than their place.
 */
export function panelTitle(
  title: string,
  subtitles: readonly string[],
  { x, y, width }: { x: number; y: number; width: number },
  theme: ThemeName,
): Part<'title'> {
  const { ink, inkSoft } = themeOf(theme);
  const lines = subtitles.map(oneLine);
  const subtitle = lines.find((line) => textWidth(line, 11.5) <= width) ?? truncate(lines.at(-1) ?? '', width, 11.5);
  return {
    // Semi-bold is wider than regular.
    text: shortened(title, width / 1.04, 14),
    subtext: subtitle,
    left: x,
    top: y,
    textAlign: 'left',
    textVerticalAlign: 'top',
    padding: 0,
    itemGap: 6,
    textStyle: { fontFamily: FONT, fontSize: 14, fontWeight: 600, color: ink },
    subtextStyle: { fontFamily: FONT, fontSize: 11.5, color: inkSoft },
  };
}

export interface TextStyle {
  readonly size: number;
  readonly colour: string;
  readonly weight?: 400 | 600;
  readonly align?: 'left' | 'center' | 'right';
  readonly verticalAlign?: 'top' | 'middle' | 'bottom';
}

/** One line of text at a place. */
export function figureText(text: string, x: number, y: number, style: TextStyle): GraphicPart {
  const { size, colour, weight = 400, align = 'left', verticalAlign = 'top' } = style;
  return {
    type: 'text',
    silent: true,
    x,
    y,
    style: { text: oneLine(text), font: `${weight} ${size}px ${FONT}`, fill: colour, align, verticalAlign },
  };
}
