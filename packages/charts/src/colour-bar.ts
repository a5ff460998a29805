/** The bar below matrices that says what their colours stand for. */
import type { MatrixScale } from './matrix.ts';
import { LEGEND_WIDTH, type MatrixLayout } from './matrix-layout.ts';
import { figureText, type GraphicPart } from './parts.ts';
import { loadColour, mixColours, type ThemeName, themeOf } from './palette.ts';
import { textWidth } from './text.ts';

/** Stops `[position from 0 to 1, colour]` of a bar that runs linearly from 0 to the end of the scale. */
function colourStops(scale: MatrixScale, theme: ThemeName): { offset: number; color: string }[] {
  const { diverging, sequential } = themeOf(theme);
  const steps = (scale.kind === 'relative' ? diverging : sequential).length - 1;
  return Array.from({ length: steps + 1 }, (_, i) => {
    if (scale.kind === 'share') return { offset: i / steps, color: mixColours(i / steps, sequential) };
    const relative = i <= steps / 2 ? i / (steps / 2) : 1 + ((i - steps / 2) / (steps / 2)) * (scale.clip - 1);
    // The lowest stop is the limit towards 0, not the colour of a dead expert.
    return {
      offset: relative / scale.clip,
      color: loadColour(Math.max(relative, Number.MIN_VALUE), scale.clip, theme),
    };
  });
}

/** @param open whether there are values beyond the end of the scale */
export function colourBar(
  { width, legendY }: MatrixLayout,
  scale: MatrixScale,
  open: boolean,
  theme: ThemeName,
): GraphicPart[] {
  const { ink, inkSoft, dead, frame } = themeOf(theme);
  // Where it is too wide, its name is a line of its own.
  const narrow = width < LEGEND_WIDTH;
  const barWidth = narrow ? 120 : 220;
  const barHeight = 10;
  const after = scale.kind === 'relative' ? 28 + barHeight + 7 + textWidth(scale.zero, 12) : 16;
  const before = narrow ? 16 : textWidth(scale.name, 12) + 12;
  const x = (width - barWidth + before - after) / 2;
  const y = legendY + (narrow ? 24 : 4);
  const end = scale.kind === 'relative' ? scale.clip : scale.max;
  const text = (value: number): string =>
    scale.kind === 'share' && scale.isPlain !== true ? percent(value) : String(value);
  const label = (share: number, called: string): GraphicPart =>
    figureText(called, x + share * barWidth, y + barHeight + 5, { size: 11, colour: inkSoft, align: 'center' });
  const note = (called: string, at: number, align: 'left' | 'right'): GraphicPart =>
    figureText(called, at, y + barHeight / 2, { size: 12, colour: ink, align, verticalAlign: 'middle' });
  const box = (left: number, boxWidth: number) => ({
    type: 'rect' as const,
    silent: true,
    shape: { x: left, y, width: boxWidth, height: barHeight },
  });
  return [
    narrow
      ? figureText(scale.name, width / 2, legendY, { size: 12, colour: ink, align: 'center' })
      : note(scale.name, x - 12, 'right'),
    {
      ...box(x, barWidth),
      style: {
        fill: { type: 'linear', x: 0, y: 0, x2: 1, y2: 0, colorStops: colourStops(scale, theme) },
        stroke: scale.kind === 'share' ? frame : 'none',
      },
    },
    ...ticks(scale).map((at) => label(at / end, text(at))),
    label(1, `${open ? '≥ ' : ''}${text(end)}`),
    ...(scale.kind === 'relative'
      ? [
          { ...box(x + barWidth + 28, barHeight), style: { fill: dead } } satisfies GraphicPart,
          note(scale.zero, x + barWidth + 28 + barHeight + 7, 'left'),
        ]
      : []),
  ];
}

/** Labelled values below the end of the scale. */
function ticks(scale: MatrixScale): number[] {
  if (scale.kind === 'share') return [0, scale.max / 2];
  const tick = scale.clip <= 3 ? 0.5 : Math.ceil(scale.clip / 6);
  return Array.from({ length: Math.ceil(scale.clip / tick) }, (_, i) => i * tick);
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(2))}%`;
}
