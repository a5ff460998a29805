/** Draws an ECharts option to a PNG or SVG file in Node, through @napi-rs/canvas, with the font that comes along. */
import { createRequire } from 'node:module';
import { createCanvas, GlobalFonts } from '@napi-rs/canvas';
import { type EChartsOption, init, setPlatformAPI } from 'echarts';

export interface PngSize {
  /** CSS pixels; the picture has `pixelRatio` times as many. */
  readonly width: number;
  readonly height: number;
  /** Pixels per CSS pixel. Default 2. */
  readonly pixelRatio?: number;
}

/**
 * The bytes of a PNG of the option, drawn once without animation.
 *
 * @throws RangeError for a size that is no positive number.
 */
export async function renderPng(option: EChartsOption, size: PngSize): Promise<Uint8Array> {
  const { width, height, pixelRatio = 2 } = size;
  checkSize({ width, height, pixelRatio });
  prepare();
  const canvas = createCanvas(Math.round(width * pixelRatio), Math.round(height * pixelRatio));
  const chart = init(canvas, null, { width, height, devicePixelRatio: pixelRatio });
  try {
    chart.setOption({ ...option, animation: false });
    chart.getZr().flush();
    return await canvas.encode('png');
  } finally {
    chart.dispose();
  }
}

/**
 * An SVG of the option, drawn once; its text is that of a reader's fonts.
 *
 * @throws RangeError for a size that is no positive number.
 */
export function renderSvg(option: EChartsOption, { width, height }: Omit<PngSize, 'pixelRatio'>): string {
  checkSize({ width, height });
  prepare();
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ ...option, animation: false });
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}

function checkSize(size: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(size)) {
    if (!(value > 0 && value < Infinity)) throw new RangeError(`${name} is ${value}; it must be a positive number`);
  }
}

/** The browser's canvas, where a program's types know of browsers. */
type EChartsCanvas = ReturnType<NonNullable<Parameters<typeof setPlatformAPI>[0]['createCanvas']>>;

let prepared = false;

/** Without a registered font a host with none draws no text and says nothing. */
function prepare(): void {
  if (prepared) return;
  const { resolve } = createRequire(import.meta.url);
  for (const file of ['400Regular/Inter_400Regular.ttf', '600SemiBold/Inter_600SemiBold.ttf']) {
    const path = resolve(`@expo-google-fonts/inter/${file}`);
    if (GlobalFonts.registerFromPath(path, 'Inter') === null) throw new Error(`cannot read the font ${path}`);
  }
  const context = createCanvas(1, 1).getContext('2d');
  setPlatformAPI({
    // oxlint-disable-next-line typescript/no-unnecessary-type-assertion -- necessary in programs that include the DOM types
    createCanvas: () => createCanvas(1, 1) as unknown as EChartsCanvas,
    measureText: (text, font = '') => {
      // ECharts takes the width of this character, 1 em in a font that has it, for the height of a line; Inter has it
      // not.
      if (text === '国') return { width: Number(/([\d.]+)px/.exec(font)?.[1] ?? 12) };
      context.font = font;
      return context.measureText(text);
    },
  });
  prepared = true;
}
