/** Colours of the page for what is drawn on canvases. */
import { colourOfLook, type ThemeName } from '@lpr/charts';
import { currentTheme } from '@lpr/dashboard/page/theme';
import type { Side } from '../src/model.ts';

export interface Colours {
  readonly theme: ThemeName;
  readonly ink: string;
  readonly soft: string;
  readonly line: string;
  readonly surface: string;
  readonly ground: string;
}

/** Those of the page's style, as it is now. */
export function pageColours(): Colours {
  const style = getComputedStyle(document.documentElement);
  const named = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    theme: currentTheme(),
    ink: named('ink'),
    soft: named('soft'),
    line: named('line'),
    surface: named('surface'),
    ground: named('ground'),
  };
}

export function sideColour(side: Side, theme: ThemeName): string {
  return colourOfLook(side === 'lpr' ? 0 : 1, theme);
}

/** Neighbouring experts get hues far apart, by the golden angle. */
export function hueOf(expert: number): number {
  return Math.round((expert * 137.508 + 250) % 360);
}

export function expertColour(expert: number, theme: ThemeName): string {
  return `oklch(${theme === 'dark' ? '0.76 0.13' : '0.6 0.15'} ${hueOf(expert)})`;
}
