/** Places in a text that two models read: the same token of each, though they may cut it into others. */
import type { RoutedText } from '../src/api.ts';

/** Where the reader looks: index of a layer with experts, of a token, of an expert. */
export interface Place {
  readonly layer: number;
  readonly token: number;
  readonly expert: number;
}

/** As an address has it: the token is one of the first model; experts of different models have nothing in common. */
export interface WrittenPlaces {
  readonly layer: number;
  readonly token: number;
  readonly experts: readonly number[];
}

type Texts = readonly (Pick<RoutedText, 'tokens' | 'layers' | 'experts' | 'slots' | 'chosen'> | undefined)[];

/** The place in each model, within what it has; without an expert in the address, the token's first. */
export function placesOf(texts: Texts, { layer, token, experts }: WrittenPlaces): Place[] {
  const [first] = texts;
  return texts.map((text, i) => {
    if (text === undefined) return { layer: 0, token: 0, expert: 0 };
    const at = within(
      i === 0 || first === undefined ? token : sameToken(token, first.tokens, text.tokens),
      text.tokens.length,
    );
    const shown = within(layer, text.layers.length);
    const best = text.chosen[shown]?.[at * text.slots] ?? 0;
    return { layer: shown, token: at, expert: within(experts[i] ?? best, text.experts) };
  });
}

/** A whole number below `count`: the nearest one; of no number 0. */
function within(value: number, count: number): number {
  return Number.isInteger(value) ? Math.max(0, Math.min(count - 1, value)) : 0;
}

/** A token of a model as an address has it. */
export function writtenToken(texts: Texts, model: number, token: number): number {
  const [first] = texts;
  const own = texts[model];
  return model === 0 || first === undefined || own === undefined ? token : sameToken(token, own.tokens, first.tokens);
}

type Tokens = RoutedText['tokens'];

/** The token of one cut of a text that holds the first character of a token of another. */
export function sameToken(token: number, from: Tokens, to: Tokens): number {
  const at = from.slice(0, token).reduce((sum, { text }) => sum + text.length, 0);
  let end = 0;
  const found = to.findIndex(({ text }) => {
    end += text.length;
    return end > at;
  });
  return found === -1 ? Math.max(0, to.length - 1) : found;
}
