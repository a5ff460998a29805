/** Axes of numbers: round ranges and ticks, names, pale areas between two values. */
import type { LineSeriesOption } from 'echarts';
import type { LinePanel } from './lines.ts';
import type { Part } from './parts.ts';
import { FONT, type ThemeName, themeOf } from './palette.ts';
import { fourDigits, textWidth } from './text.ts';

const NUMBER_FONT = 11;

/**
 * A range of round numbers around all values, and the interval of its ticks.
 *
 * @param fromZero whether it starts at 0 where values reach near it.
 */
export function niceRange(
  values: readonly number[],
  fromZero: boolean,
): { min: number; max: number; interval: number } {
  const most = values.reduce((a, b) => Math.max(a, b));
  const least = values.reduce((a, b) => Math.min(a, b));
  const low = fromZero && least >= 0 && least < 0.4 * most ? 0 : least;
  const spread = most - low || Math.abs(most) || 1;
  const interval = roundStep(spread);
  const first = Math.floor(low / interval);
  const last = Math.max(first + 1, Math.ceil(most / interval));
  // Without the last digits, which multiplication gets wrong and a label would show.
  const [min, max] = [first, last].map((tick) => Number((tick * interval).toPrecision(12)));
  return { min: min!, max: max!, interval };
}

/** Distance between ticks, at most five of them: one, two or five times a power of ten. */
function roundStep(spread: number): number {
  const power = Number(`1e${Math.floor(Math.log10(spread / 5))}`);
  return power * [1, 2, 5, 10].find((factor) => factor * power >= (spread / 5) * (1 - 1e-9))!;
}

/** An axis of numbers below a panel. */
export function xAxis(
  {
    name,
    min,
    max,
    interval,
    type = 'value',
  }: { name: string; min?: number; max?: number; interval?: number; type?: 'value' | 'log' },
  gridIndex: number,
  theme: ThemeName,
): Part<'xAxis'> {
  const { ink, inkSoft, axis } = themeOf(theme);
  const step =
    type === 'log'
      ? undefined
      : (interval ?? (min !== undefined && max !== undefined && max > min ? roundStep(max - min) : undefined));
  // The end of a range that is no multiple of the interval would be labelled beside the last tick.
  const round = step === undefined || Math.abs(max! / step - Math.round(max! / step)) < 1e-9;
  return {
    type,
    gridIndex,
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    ...(step !== undefined && { interval: step }),
    name,
    nameLocation: 'middle',
    nameGap: 26,
    nameTextStyle: { fontFamily: FONT, fontSize: 12, color: ink },
    splitNumber: 4,
    splitLine: { show: false },
    axisLine: { lineStyle: { color: axis } },
    axisTick: { show: true, lineStyle: { color: axis } },
    axisLabel: {
      fontFamily: FONT,
      fontSize: NUMBER_FONT,
      color: inkSoft,
      hideOverlap: true,
      ...(!round && { showMaxLabel: false }),
      ...(type === 'log' && { formatter: fourDigits, showMinLabel: true }),
    },
  };
}

/** From an axis upwards to its numbers, and to its name. */
const [NUMBER_GAP, NAME_GAP] = [8, 46];

/** A number beside an axis upwards: in powers of ten where it would push the name away, which may leave the picture. */
function upNumber(value: number): string {
  // Zero has no sign.
  const plain = (value || 0).toLocaleString('en', { maximumFractionDigits: 20 });
  if (textWidth(plain, NUMBER_FONT) <= NAME_GAP - NUMBER_GAP) return plain;
  // Without the last digits, as in a range.
  return Number(value.toPrecision(12)).toExponential().replace('+', '');
}

/** An axis of numbers to the left of a panel, with grid lines. */
export function yAxis(
  { type = 'value', min, max, interval, free = false, format, name }: LinePanel['y'],
  gridIndex: number,
  theme: ThemeName,
): Part<'yAxis'> {
  const { ink, inkSoft, grid } = themeOf(theme);
  return {
    type,
    gridIndex,
    name,
    nameLocation: 'middle',
    nameGap: NAME_GAP,
    nameTextStyle: { fontFamily: FONT, fontSize: 12, color: ink },
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    ...(interval !== undefined && { interval }),
    ...(type === 'value' && { scale: free }),
    splitNumber: 4,
    axisLine: { show: false },
    axisTick: { show: false },
    minorTick: { show: false },
    splitLine: { lineStyle: { color: grid } },
    axisLabel: {
      fontFamily: FONT,
      fontSize: NUMBER_FONT,
      color: inkSoft,
      margin: NUMBER_GAP,
      hideOverlap: true,
      formatter: format ?? (type === 'log' ? fourDigits : upNumber),
    },
  };
}

/** A pale area between two values of an axis. */
export function bandOf(
  axis: 'xAxis' | 'yAxis',
  [low, high]: readonly [number, number],
  colour: string,
): NonNullable<LineSeriesOption['markArea']> {
  return { silent: true, itemStyle: { color: colour, opacity: 0.12 }, data: [[{ [axis]: low }, { [axis]: high }]] };
}
