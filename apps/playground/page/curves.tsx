/** Curves over steps, one a model, with their names at their ends. */
import type { JSX } from 'preact';
import { type Area, Canvas } from './canvas.tsx';

export interface Curve {
  readonly name: string;
  readonly colour: (theme: Area['colours']['theme']) => string;
  /** One a step. */
  readonly values: readonly number[];
  /** The same before it was smoothed, drawn faintly. */
  readonly raw?: readonly number[];
}

export interface Level {
  readonly name: string;
  readonly value: number;
}

interface Props {
  readonly label: string;
  readonly curves: readonly Curve[];
  readonly levels?: readonly Level[];
  /** The y axis: from 0 to 1, or as wide as the values. */
  readonly share?: boolean;
}

const HEIGHT = 190;
const [LEFT, RIGHT, TOP, BOTTOM] = [36, 84, 10, 34];

export function Curves(props: Props): JSX.Element {
  return (
    <Canvas label={props.label} heightOf={() => HEIGHT} draw={(context, area) => drawCurves(context, area, props)} />
  );
}

/** Round numbers from one end to the other, some four of them. */
function ticksOf(low: number, high: number): number[] {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((each) => each * power >= rough)! * power;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
}

/** Of the axis: what values reach, with a little room. */
function rangeOf(curves: readonly Curve[]): [number, number] {
  const all = curves.flatMap(({ values }) => values);
  if (all.length === 0) return [0, 1];
  const [low, high] = all.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  const room = Math.max(0.05, (high - low) * 0.06);
  return [low - room, high + room];
}

function drawCurves(
  context: CanvasRenderingContext2D,
  { width, height, colours }: Area,
  { curves, levels = [], share = false }: Props,
): void {
  const steps = Math.max(20, ...curves.map(({ values }) => values.length));
  const [low, high] = share ? [0, 1] : rangeOf(curves);
  const [right, bottom] = [width - RIGHT, height - BOTTOM];
  const x = (step: number): number => LEFT + ((step - 1) / (steps - 1)) * (right - LEFT);
  const y = (value: number): number => bottom - ((value - low) / (high - low)) * (bottom - TOP);

  context.textBaseline = 'middle';
  context.lineWidth = 1;
  context.strokeStyle = colours.line;
  context.fillStyle = colours.soft;
  context.textAlign = 'right';
  for (const tick of ticksOf(low, high)) {
    context.beginPath();
    context.moveTo(LEFT, y(tick));
    context.lineTo(right, y(tick));
    context.stroke();
    context.fillText(String(Number(tick.toPrecision(3))), LEFT - 8, y(tick));
  }
  context.textAlign = 'center';
  for (const tick of ticksOf(1, steps).filter((each) => Number.isInteger(each))) {
    context.fillText(String(tick), x(tick), bottom + 12);
  }
  context.fillText('step', (LEFT + right) / 2, bottom + 27);

  const line = (values: readonly number[]): void => {
    const every = Math.max(1, Math.floor(values.length / Math.max(1, right - LEFT)));
    context.beginPath();
    for (let i = 0; i < values.length; i++) {
      if (i % every === 0 || i === values.length - 1) context.lineTo(x(i + 1), y(values[i]!));
    }
    context.stroke();
  };
  context.save();
  context.beginPath();
  context.rect(LEFT, TOP - 4, right - LEFT + 2, bottom - TOP + 8);
  context.clip();
  context.setLineDash([4, 4]);
  context.strokeStyle = colours.soft;
  for (const { value } of levels) {
    context.beginPath();
    context.moveTo(LEFT, y(value));
    context.lineTo(right, y(value));
    context.stroke();
  }
  context.setLineDash([]);
  context.lineJoin = 'round';
  for (const { raw, colour } of curves) {
    if (raw === undefined) continue;
    context.globalAlpha = 0.25;
    context.strokeStyle = colour(colours.theme);
    line(raw);
  }
  context.globalAlpha = 1;
  context.lineWidth = 2;
  for (const { values, colour } of curves) {
    context.strokeStyle = colour(colours.theme);
    line(values);
  }
  context.restore();
  nameLines(context, { right, bottom }, colours, [
    ...curves.flatMap(({ name, colour, values }) =>
      values.length === 0 ? [] : [{ name, colour: colour(colours.theme), y: y(values.at(-1)!) }],
    ),
    ...levels.map(({ name, value }) => ({ name, colour: colours.soft, y: y(value) })),
  ]);
}

/** Names at the ends of lines, moved apart where they would cover each other. */
function nameLines(
  context: CanvasRenderingContext2D,
  { right, bottom }: { readonly right: number; readonly bottom: number },
  { ink }: Area['colours'],
  names: readonly { readonly name: string; readonly colour: string; readonly y: number }[],
): void {
  const APART = 15;
  const sorted = names.toSorted((a, b) => a.y - b.y);
  const places = sorted.map(({ y }) => Math.min(Math.max(y, TOP), bottom));
  for (let i = 1; i < places.length; i++) places[i] = Math.max(places[i]!, places[i - 1]! + APART);
  for (let i = places.length - 1; i >= 0; i--) {
    places[i] = Math.min(places[i]!, bottom + 2 - (places.length - 1 - i) * APART);
  }
  context.textAlign = 'left';
  for (const [i, { name, colour }] of sorted.entries()) {
    context.fillStyle = colour;
    context.fillRect(right + 6, places[i]! - 1.5, 8, 3);
    context.fillStyle = ink;
    context.fillText(name, right + 18, places[i]!);
  }
}
