/** Where the texts of a figure really are, as ECharts lays them out. */
import { createCanvas } from '@napi-rs/canvas';
import { type EChartsOption, init } from 'echarts';
import type { Size } from '../src/index.ts';

export interface TextBox {
  readonly text: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** What is used of the elements that zrender draws. */
interface Drawn {
  readonly type: string;
  readonly ignore: boolean;
  readonly style: { readonly text?: string };
  getBoundingRect(): { clone(): TextBox & { applyTransform(matrix: unknown): void } };
  getComputedTransform(): unknown;
}

/**
 * The boxes of all lines of text, in CSS pixels of the figure. Needs a picture drawn before, which registers the font.
 */
export function textBoxes(option: EChartsOption, { width, height }: Size): TextBox[] {
  // oxlint-disable-next-line typescript/no-unnecessary-type-assertion -- necessary in programs that include the DOM types
  const canvas = createCanvas(Math.round(width), Math.round(height)) as unknown as Parameters<typeof init>[0];
  const chart = init(canvas, null, { width, height, devicePixelRatio: 1 });
  try {
    chart.setOption(option);
    chart.getZr().flush();
    const drawn = chart.getZr().storage.getDisplayList(true) as unknown as readonly Drawn[];
    return drawn.flatMap((element) => {
      const { text = '' } = element.style;
      if (element.type !== 'tspan' || element.ignore || text.trim() === '') return [];
      const box = element.getBoundingRect().clone();
      const transform = element.getComputedTransform();
      if (transform) box.applyTransform(transform);
      return [{ text, x: box.x, y: box.y, width: box.width, height: box.height }];
    });
  } finally {
    chart.dispose();
  }
}

/** Pairs of texts of which one lies on the other, and texts that leave the picture. */
export function misplaced(boxes: readonly TextBox[], { width, height }: Size): string[] {
  // Boxes are as high as a line; letters leave a little of it free.
  const slack = 1.5;
  const outside = boxes.filter(
    (box) => box.x < 0 || box.y < -slack || box.x + box.width > width || box.y + box.height > height + slack,
  );
  const overlapping = boxes.flatMap((a, i) =>
    boxes.slice(i + 1).flatMap((b) => {
      const x = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
      const y = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
      return x > 0.5 && y > slack ? [`"${a.text}" lies on "${b.text}"`] : [];
    }),
  );
  return [...outside.map(({ text }) => `"${text}" leaves the picture`), ...overlapping];
}
