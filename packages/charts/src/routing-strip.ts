/** A text token by token, with the experts that each token went to: what a router does, to be read. */
import type { EChartsOption } from 'echarts';
import { inkOn, lineColour, type ThemeName, themeOf } from './palette.ts';
import { baseOption, figureText, type GraphicPart, panelTitle, type Size } from './parts.ts';
import { textWidth, truncate } from './text.ts';

export interface RoutingStripInput {
  /** Such as the run and the name of the text. */
  readonly name: string;
  /** Text of each token. */
  readonly tokens: readonly string[];
  /** One row below the text each. */
  readonly layers: readonly {
    readonly layer: number;
    /** `[tokens][k]`: experts of each token. */
    readonly experts: readonly ArrayLike<number>[];
    /** `[tokens][k]`: their weights, > 0 where the expert counts. */
    readonly weights: readonly ArrayLike<number>[];
  }[];
  /** CSS pixels. Default 900. */
  readonly width?: number;
}

const LEFT = 72;
const RIGHT = 20;
const TOP = 62;
const TEXT_SIZE = 13;
const TEXT_ROW = 22;
const BAR = 15;
const BAR_GAP = 2;
const LINE_GAP = 14;
const MIN_TOKEN = 20;
const MAX_TOKEN = 160;
const NUMBER_SIZE = 9.5;
/** Longer texts are cut, so that the figure stays a figure. */
const MAX_LINES = 40;

/** A token where it is drawn. */
interface Box {
  readonly token: number;
  readonly text: string;
  readonly x: number;
  readonly line: number;
  readonly width: number;
}

export function routingStripSize(input: RoutingStripInput): Size {
  const boxes = flow(input);
  return { width: widthOf(input), height: TOP + ((boxes.at(-1)?.line ?? 0) + 1) * lineHeight(input) + 6 };
}

/**
 * ECharts option of a text in which every token has, below it, a bar per layer: its experts' numbers with widths in
 * proportion to their weights. The experts that carry most weight in a layer have a colour, as many as there are
 * colours; the others are grey. Spaces are shown as `␣`, ends of lines as `↵`, tabs as `⇥`.
 *
 * @throws RangeError for no token or layer, or experts and weights that are not as many as tokens.
 */
export function routingStrip(input: RoutingStripInput, theme: ThemeName = 'light'): EChartsOption {
  const { name, tokens, layers } = input;
  const { ink, inkSoft } = themeOf(theme);
  const boxes = flow(input);
  const shown = boxes.length;
  const height = lineHeight(input);
  const lines = (boxes.at(-1)?.line ?? 0) + 1;
  const explained = `${shown < tokens.length ? `the first ${shown} of ${tokens.length}` : `${shown}`} tokens with their experts, as wide as their weights`;
  return {
    ...baseOption(theme),
    title: [
      panelTitle(
        name,
        [`${explained}; the busiest of each layer in colour`, explained],
        { x: LEFT, y: 12, width: widthOf(input) - LEFT - RIGHT },
        theme,
      ),
    ],
    graphic: [
      ...Array.from({ length: lines }, (_, line) =>
        layers.map(({ layer }, row) =>
          figureText(`layer ${layer}`, LEFT - 10, barTop(line, row, height) + BAR / 2, {
            size: 10.5,
            colour: inkSoft,
            align: 'right',
            verticalAlign: 'middle',
          }),
        ),
      ).flat(),
      ...boxes.map(({ text, x, line }) =>
        figureText(text, x + 2, TOP + line * height, { size: TEXT_SIZE, colour: ink, verticalAlign: 'top' }),
      ),
      ...layers.flatMap((layer, row) => {
        const colourOf = layerColours(layer, boxes, theme);
        return boxes.flatMap((box) => bar(box, layer, barTop(box.line, row, height), colourOf, theme));
      }),
    ],
  };
}

function widthOf({ width = 900 }: RoutingStripInput): number {
  return width;
}

function lineHeight({ layers }: RoutingStripInput): number {
  return TEXT_ROW + layers.length * (BAR + BAR_GAP) + LINE_GAP;
}

function barTop(line: number, row: number, height: number): number {
  return TOP + line * height + TEXT_ROW + row * (BAR + BAR_GAP);
}

/** Places tokens from left to right and line by line. */
function flow(input: RoutingStripInput): Box[] {
  const { tokens, layers } = input;
  if (tokens.length === 0 || layers.length === 0) {
    throw new RangeError(`a routing strip needs a token and a layer, got ${tokens.length} and ${layers.length}`);
  }
  for (const { layer, experts, weights } of layers) {
    if (experts.length !== tokens.length || weights.length !== tokens.length) {
      throw new RangeError(
        `layer ${layer} has experts of ${experts.length} and weights of ${weights.length} tokens; the text has ${tokens.length}`,
      );
    }
  }
  const slots = layers.reduce((most, { experts }) => Math.max(most, experts[0]!.length), 1);
  // Each expert of a token has room for its number, as far as that does not tear the text apart.
  const narrowest = Math.max(MIN_TOKEN, Math.min(64, slots * 17));
  const right = widthOf(input) - RIGHT;
  const boxes: Box[] = [];
  let x = LEFT;
  let line = 0;
  for (const [token, raw] of tokens.entries()) {
    const text = truncate(visible(raw), MAX_TOKEN - 4, TEXT_SIZE);
    const width = Math.max(narrowest, Math.ceil(textWidth(text, TEXT_SIZE)) + 6);
    if (x > LEFT && x + width > right) {
      x = LEFT;
      line++;
    }
    if (line >= MAX_LINES) break;
    boxes.push({ token, text, x, line, width });
    x += width + 3;
    if (raw.includes('\n')) x = Number.POSITIVE_INFINITY;
  }
  return boxes;
}

function visible(text: string): string {
  return text === '' ? '∅' : text.replaceAll('\n', '↵').replaceAll('\t', '⇥').replaceAll(' ', '␣');
}

type Layer = RoutingStripInput['layers'][number];

/** Colours of the experts that carry most weight in the drawn part of the text. */
function layerColours(
  { experts, weights }: Layer,
  boxes: readonly Box[],
  theme: ThemeName,
): (expert: number) => string {
  const mass = new Map<number, number>();
  for (const { token } of boxes) {
    for (const [slot, expert] of Array.from(experts[token]!).entries()) {
      const weight = weights[token]![slot]!;
      if (weight > 0) mass.set(expert, (mass.get(expert) ?? 0) + weight);
    }
  }
  const { lines, muted } = themeOf(theme);
  const heaviest = Array.from(mass.keys())
    .toSorted((a, b) => mass.get(b)! - mass.get(a)! || a - b)
    .slice(0, lines.length);
  const colours = new Map(heaviest.map((expert, i) => [expert, lineColour(i, themeOf(theme))]));
  return (expert) => colours.get(expert) ?? muted;
}

/** The experts of one token in one layer, the heaviest first. */
function bar(
  { token, x, width }: Box,
  { experts, weights }: Layer,
  y: number,
  colourOf: (expert: number) => string,
  theme: ThemeName,
): GraphicPart[] {
  const parts = Array.from(experts[token]!, (expert, slot) => ({ expert, weight: weights[token]![slot]! }))
    .filter(({ weight }) => weight > 0)
    .toSorted((a, b) => b.weight - a.weight);
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  let left = x;
  if (parts.length === 0) {
    // No expert took the token.
    const { frame } = themeOf(theme);
    return [
      { type: 'rect', silent: true, shape: { x, y, width, height: BAR }, style: { fill: 'none', stroke: frame } },
    ];
  }
  return parts.flatMap(({ expert, weight }) => {
    const partWidth = (weight / total) * width;
    const colour = colourOf(expert);
    const number = String(expert);
    const box: GraphicPart = {
      type: 'rect',
      silent: true,
      shape: { x: left, y, width: Math.max(0.5, partWidth - 0.75), height: BAR },
      style: { fill: colour },
    };
    const middle = left + partWidth / 2;
    left += partWidth;
    if (textWidth(number, NUMBER_SIZE) + 3 > partWidth) return [box];
    return [
      box,
      figureText(number, middle, y + BAR / 2 + 0.5, {
        size: NUMBER_SIZE,
        colour: inkOn(colour),
        align: 'center',
        verticalAlign: 'middle',
      }),
    ];
  });
}
