/** Lines of text below a figure: what it is of, and what its reader must know. */
import type { EChartsOption } from 'echarts';
import { type ThemeName, themeOf } from './palette.ts';
import { figureText, type Size } from './parts.ts';
import { wrapped } from './text.ts';

const FONT_SIZE = 11;
const LINE = 16;
const MARGIN = 16;
/** Between the figure and the first line. */
const ABOVE = 6;

/** A figure as it is drawn. */
export interface Drawn {
  readonly option: EChartsOption;
  readonly size: Size;
}

/** The figure with further lines below it, each wrapped where it is wider than the figure; the first stands out. */
export function withFootnotes({ option, size }: Drawn, notes: readonly string[], theme: ThemeName): Drawn {
  if (notes.length === 0) return { option, size };
  const { ink, inkSoft } = themeOf(theme);
  const lines = notes.flatMap((note, i) =>
    wrapped(note, size.width - 2 * MARGIN, FONT_SIZE).map((text) => ({ text, colour: i === 0 ? ink : inkSoft })),
  );
  const top = size.height + ABOVE;
  const { graphic = [] } = option;
  return {
    option: {
      ...option,
      graphic: [
        ...(Array.isArray(graphic) ? graphic : [graphic]),
        ...lines.map(({ text, colour }, i) =>
          figureText(text, MARGIN, top + i * LINE, { size: FONT_SIZE, colour, weight: 400 }),
        ),
      ],
    },
    size: { width: size.width, height: top + lines.length * LINE + MARGIN - ABOVE },
  };
}
