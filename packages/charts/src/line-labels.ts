/** Names at the ends of lines, so that a reader need not look them up in the legend. */
import type { LineSeriesOption } from 'echarts';
import type { Line } from './lines.ts';
import { FONT, type ThemeName, themeOf } from './palette.ts';
import { shortened, textWidth } from './text.ts';

const LABEL_FONT = 11;
const LABEL_LINE = 13;
export const MAX_LABEL = 180;
/** From the end of a line to its name, with the dot before it. */
export const LABEL_MARGIN = 22;
/** Of more lines, names would not fit beside each other. */
const MOST_LABELS = 12;

/** Names at the ends of lines: none where nothing is to be told apart; of too many lines, those of the legend once. */
export function labelsOf(lines: readonly Line[]): (string | undefined)[] {
  const told = (line: Line): boolean =>
    line.label !== undefined && !line.isGrey && !line.faint && line.points.length > 0;
  const own = lines.filter(told);
  if (own.length < 2 && !lines.some(({ isGrey }) => isGrey)) return lines.map(() => undefined);
  if (own.length <= MOST_LABELS) return lines.map((line) => (told(line) ? line.label : undefined));
  const entries = new Set(own.map(({ name }) => name));
  if (entries.size > MOST_LABELS) return lines.map(() => undefined);
  return lines.map((line) => (told(line) && entries.delete(line.name) ? line.name : undefined));
}

export interface PlacedLabel {
  readonly text: string;
  /** CSS pixels down from the end of its line. */
  readonly shift: number;
}

/** Names beside each other in the order of the ends of their lines, each as near to its own as the others let it. */
export function placedLabels(
  lines: readonly Line[],
  range: { readonly min: number; readonly max: number; readonly type?: 'value' | 'log' },
  height: number,
): (PlacedLabel | undefined)[] {
  const along = (value: number): number => (range.type === 'log' ? Math.log(value) : value);
  const [min, max] = [along(range.min), along(range.max)];
  const texts = labelsOf(lines);
  const labels = lines.flatMap((line, at) => {
    const text = texts[at];
    const end = line.points.at(-1)?.[1];
    return text === undefined || end === undefined
      ? []
      : [{ at, text, end: height * (1 - (along(end) - min) / (max - min)) }];
  });
  const ordered = labels.toSorted((a, b) => a.end - b.end);
  const places: number[] = [];
  // Downwards no two nearer than a line of text, and back upwards from the foot of the panel.
  for (const { end } of ordered) places.push(Math.max(end, (places.at(-1) ?? -Infinity) + LABEL_LINE, 0));
  let below = height + LABEL_LINE;
  for (let i = places.length - 1; i >= 0; i--) below = places[i] = Math.min(places[i]!, below - LABEL_LINE);
  const placed: (PlacedLabel | undefined)[] = lines.map(() => undefined);
  for (const [i, { at, text, end }] of ordered.entries()) placed[at] = { text, shift: places[i]! - end };
  return placed;
}

export function labelWidth(label: string | undefined): number {
  return label === undefined ? 0 : 1.06 * textWidth(label, LABEL_FONT);
}

/**
 * The name at the end of a line, with a dot of its colour: text in pale colours would be hard to read. A line of one
 * point is a dot itself, and needs another one only where its name had to move away.
 */
export function endLabel(
  { text, shift }: PlacedLabel,
  colour: string,
  theme: ThemeName,
  isPoint: boolean,
): NonNullable<LineSeriesOption['endLabel']> {
  const dot = isPoint && Math.abs(shift) < 1 ? '' : '{dot|●} ';
  return {
    show: true,
    offset: [0, shift],
    // Braces and bars would style it.
    formatter: `${dot}${shortened(text, MAX_LABEL, LABEL_FONT).replaceAll(/[{}|]/g, ' ')}`,
    color: themeOf(theme).ink,
    fontFamily: FONT,
    fontSize: LABEL_FONT,
    distance: 4,
    rich: { dot: { color: colour, fontSize: 9 } },
  };
}
