import { describe, expect, test } from 'vitest';
import { inkOn, lineColour, loadColour, mixColours, type ThemeName, themeOf } from '../src/palette.ts';

/** Linear RGB from 0 to 1 of a colour `#rrggbb`. */
function linear(colour: string): number[] {
  return [1, 3, 5].map((i) => {
    const channel = Number.parseInt(colour.slice(i, i + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
}

/**
 * What a dichromat sees, on linear RGB (Machado, Oliveira and Fernandes 2009, A Physiologically-based Model for
 * Simulation of Color Vision Deficiency, severity 1).
 */
const VISION = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
} as const;
type Vision = keyof typeof VISION;

/** CIELAB (D65) of a colour as it is seen. */
function lab(colour: string, vision: Vision): number[] {
  const rgb = linear(colour);
  const [r, g, b] = VISION[vision].map((row) =>
    Math.min(1, Math.max(0, row[0] * rgb[0]! + row[1] * rgb[1]! + row[2] * rgb[2]!)),
  ) as [number, number, number];
  const f = (t: number) => (t > 216 / 24389 ? Math.cbrt(t) : ((24389 / 27) * t + 16) / 116);
  const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047);
  const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** CIE 1976 colour difference; 2.3 is just noticeable. */
function difference(a: string, b: string, vision: Vision): number {
  const [p, q] = [lab(a, vision), lab(b, vision)];
  return Math.hypot(...p.map((value, i) => value - q[i]!));
}

/** WCAG 2 contrast ratio. */
function contrast(a: string, b: string): number {
  const [low, high] = [a, b]
    .map((colour) => {
      const [red, green, blue] = linear(colour);
      return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
    })
    .toSorted((x, y) => x - y);
  return (high! + 0.05) / (low! + 0.05);
}

const THEMES: readonly ThemeName[] = ['light', 'dark'];
const VISIONS = Object.keys(VISION) as Vision[];

describe.each(THEMES)('on a %s page', (name) => {
  const theme = themeOf(name);

  test('text is readable', () => {
    expect(contrast(theme.ink, theme.background)).toBeGreaterThanOrEqual(12);
    expect(contrast(theme.inkSoft, theme.background)).toBeGreaterThanOrEqual(5);
  });

  test('lines stand out by 3 to 1, as WCAG asks of graphics', () => {
    for (const colour of theme.lines) expect(contrast(colour, theme.background)).toBeGreaterThan(3);
  });

  test.each(VISIONS)('lines differ from each other and from what is muted, with %s', (vision) => {
    const colours = [...theme.lines, theme.muted];
    for (const [i, a] of colours.entries()) {
      for (const b of colours.slice(i + 1)) {
        expect(difference(a, b, vision), `${a} and ${b}`).toBeGreaterThan(10);
      }
    }
  });

  test.each(VISIONS)('too little load differs from too much, and both from balance, with %s', (vision) => {
    for (const reach of [0.4, 0.7, 1]) {
      const [low, even, high] = [1 - reach, 1, 1 + reach].map((load) => loadColour(Math.max(load, 1e-9), 2, name));
      expect(difference(low!, high!, vision)).toBeGreaterThan(20);
      expect(difference(low!, even!, vision)).toBeGreaterThan(8);
      expect(difference(high!, even!, vision)).toBeGreaterThan(8);
    }
  });

  test.each(VISIONS)('dead experts are off the scale, with %s', (vision) => {
    for (let load = 0.02; load <= 2; load += 0.02) {
      expect(difference(theme.dead, loadColour(load, 2, name), vision)).toBeGreaterThan(12);
    }
  });

  test.each(VISIONS)('scales of one direction get ever darker or lighter, with %s', (vision) => {
    for (const scale of [theme.sequential, theme.depth]) {
      const lightness = Array.from({ length: 9 }, (_, i) => lab(mixColours(i / 8, scale), vision)[0]!);
      const steps = lightness.slice(1).map((value, i) => value - lightness[i]!);
      expect(new Set(steps.map(Math.sign)).size, lightness.join()).toBe(1);
    }
  });

  test('ink on a colour is readable', () => {
    for (const colour of [...theme.lines, theme.muted]) expect(contrast(inkOn(colour), colour)).toBeGreaterThan(4.5);
  });
});

test('after the last colour the first comes again, and there is no third theme', () => {
  const theme = themeOf('light');
  expect(lineColour(theme.lines.length, theme)).toBe(theme.lines[0]);
  expect(() => themeOf('sepia' as ThemeName)).toThrow('there is no theme "sepia"');
});
