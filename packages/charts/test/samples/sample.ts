/** What made-up figures have in common. */
import type { EChartsOption } from 'echarts';
import { type Size, type ThemeName, withFootnotes } from '../../src/index.ts';

export interface Sample {
  readonly name: string;
  readonly size: Size;
  readonly option: (theme?: ThemeName) => EChartsOption;
}

export function sample<Input>(
  name: string,
  input: Input,
  option: (input: Input, theme?: ThemeName) => EChartsOption,
  size: (input: Input) => Size,
): Sample {
  return { name, size: size(input), option: (theme) => option(input, theme) };
}

/** The sample with lines below it. */
export function withNotes({ name, size, option }: Sample, notes: readonly string[]): Sample {
  const drawn = (theme: ThemeName = 'light') => withFootnotes({ option: option(theme), size }, notes, theme);
  return { name, size: drawn().size, option: (theme) => drawn(theme).option };
}

/** Reproducible numbers from 0 to 1. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export function list<T>(length: number, of: (i: number) => T): T[] {
  return Array.from({ length }, (_, i) => of(i));
}

/** The model that figures are of. */
export interface SampleModel {
  readonly layers: number;
  readonly experts: number;
  readonly topK: number;
  /** Layers that have a panel each. */
  readonly shownLayers: readonly number[];
  /** What all names start with. */
  readonly prefix: string;
  /** The next number from 0 to 1: what is drawn depends on the order of the figures. */
  readonly random: () => number;
}
