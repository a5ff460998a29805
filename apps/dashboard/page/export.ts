/** A figure as a file: drawn with its title and notes for a white page, or its numbers. */
import type { Drawn, LineView } from '@lpr/charts';
import { type Picture, recordJson, toCsv } from '@lpr/report';

type Exact = (() => Promise<Picture | undefined>) | undefined;

/** What a file is wide, whatever the page is. */
const WIDTH = 1200;

/** What is made of a picture as it is looked at; numbers are those of every step where `exact` gives them. */
export const FORMATS = {
  PNG: async (picture: Picture, view: LineView): Promise<Blob> => pngOf(drawn(picture, view)),
  SVG: async (picture: Picture, view: LineView): Promise<Blob> =>
    new Blob([await svgOf(drawn(picture, view))], { type: 'image/svg+xml' }),
  CSV: async (picture: Picture, _: LineView, exact?: Exact): Promise<Blob> =>
    new Blob([toCsv(((await exact?.()) ?? picture).table())], { type: 'text/csv' }),
  JSON: async (picture: Picture, _: LineView, exact?: Exact): Promise<Blob> =>
    new Blob([recordJson(((await exact?.()) ?? picture).record)], { type: 'application/json' }),
} as const;

function drawn(picture: Picture, view: LineView): Drawn {
  return picture.drawWithNotes({ width: WIDTH, theme: 'light', view });
}

/** ECharts, once the fonts that it measures and draws with are there. */
export async function prepare(): Promise<typeof import('./echarts.ts')> {
  const [echarts] = await Promise.all([
    import('./echarts.ts'),
    document.fonts.load('400 12px Inter'),
    document.fonts.load('600 14px Inter'),
  ]);
  return echarts;
}

async function pngOf({ option, size }: Drawn): Promise<Blob> {
  const { init } = await prepare();
  const chart = init(document.createElement('div'), null, { ...size, devicePixelRatio: 2 });
  try {
    chart.setOption({ ...option, animation: false });
    const canvas = chart.renderToCanvas({ pixelRatio: 2 });
    return await new Promise((resolve, reject) =>
      canvas.toBlob((blob) =>
        blob === null ? reject(new Error('the browser draws no picture of its size')) : resolve(blob),
      ),
    );
  } finally {
    chart.dispose();
  }
}

async function svgOf({ option, size }: Drawn): Promise<string> {
  const { init } = await prepare();
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...size });
  try {
    chart.setOption({ ...option, animation: false });
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}
