/** Lines of layers: coloured by depth, and of many only some in the legend. */
import type { Line } from './lines.ts';
import { mixColours, type ThemeName, themeOf } from './palette.ts';

/** Of more layers, the legend names so many. */
const NAMED_LAYERS = 6;

export function layerName(layer: number): string {
  return `layer ${layer}`;
}

/** Places of the layers that the legend names: the first, the last, and evenly between. */
export function namedLayers(layers: number): number[] {
  const count = Math.min(layers, NAMED_LAYERS);
  return Array.from({ length: count }, (_, i) => (count === 1 ? 0 : Math.round((i * (layers - 1)) / (count - 1))));
}

/** How the line of a layer looks. */
export function layerStyle(layer: number, layers: number, theme: ThemeName): Pick<Line, 'colour' | 'width'> {
  return {
    colour: mixColours(layers === 1 ? 0 : layer / (layers - 1), themeOf(theme).depth),
    width: layers > 12 ? 1 : 1.75,
  };
}
