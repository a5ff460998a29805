/** Reads a picture back, to look at what was really drawn. */
import { createCanvas, loadImage } from '@napi-rs/canvas';

export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Colour `#rrggbb` at device pixel x, y. */
  at(x: number, y: number): string;
  /** How many device pixels of a rectangle fulfil the condition on their red, green and blue. */
  count(
    x: number,
    y: number,
    width: number,
    height: number,
    holds: (r: number, g: number, b: number) => boolean,
  ): number;
}

export async function decode(png: Uint8Array): Promise<Pixels> {
  const image = await loadImage(png);
  const context = createCanvas(image.width, image.height).getContext('2d');
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  const offset = (x: number, y: number) => 4 * (Math.floor(y) * image.width + Math.floor(x));
  return {
    width: image.width,
    height: image.height,
    at: (x, y) => `#${Buffer.from(data.subarray(offset(x, y), offset(x, y) + 3)).toString('hex')}`,
    count: (x, y, width, height, holds) => {
      let pixels = 0;
      for (let row = Math.floor(y); row < Math.floor(y + height); row++) {
        for (let column = Math.floor(x); column < Math.floor(x + width); column++) {
          const i = offset(column, row);
          if (holds(data[i]!, data[i + 1]!, data[i + 2]!)) pixels++;
        }
      }
      return pixels;
    },
  };
}

export const isDark = (r: number, g: number, b: number): boolean => r + g + b < 3 * 128;
export const isNotWhite = (r: number, g: number, b: number): boolean => r + g + b < 3 * 250;
