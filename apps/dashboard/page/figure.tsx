/**
 * One figure of @lpr/charts in the page: as wide as its place, in the page's theme, for mouse and keyboard, to take
 * away as PNG or CSV.
 */
import type { ThemeName } from '@lpr/charts';
import type { ECharts, EChartsOption } from 'echarts';
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type Table, toCsv } from './csv.ts';
import { download } from './download.ts';
import { currentTheme, onTheme } from './theme.ts';
import { textTooltips } from './tooltips.ts';

export interface Drawn {
  readonly option: EChartsOption;
  readonly size: { readonly width: number; readonly height: number };
}

interface Props {
  /** What the figure shows, for those who cannot see it, and as the name of its files. */
  readonly label: string;
  /** What `draw` reads: it is drawn anew when one of them is another. */
  readonly inputs: readonly unknown[];
  /** Draws it for a width. */
  readonly draw: (width: number, theme: ThemeName) => Drawn;
  readonly table: () => Table;
  /** Values of the point that was clicked. */
  readonly onPick?: (series: number, value: readonly number[]) => void;
}

/** What a PNG is wide, whatever the page is. */
const EXPORT_WIDTH = 1200;

export function Figure({ label, inputs, draw, table, onPick }: Props): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<ECharts | null>(null);
  const [ready, setReady] = useState(false);
  const [shown, setShown] = useState(false);
  const [pointed, setPointed] = useState(false);
  const width = useWidthOnceNear(place);
  const theme = useTheme();
  const { drawn, problem } = useMemo((): { drawn: Drawn | null; problem: string | null } => {
    try {
      return { drawn: width > 0 ? draw(width, theme) : null, problem: null };
    } catch (error) {
      return { drawn: null, problem: error instanceof Error ? error.message : String(error) };
    }
  }, [width, theme, ...inputs]);

  useEffect(() => {
    let gone = false;
    void prepare().then(({ init }) => {
      if (gone || place.current === null) return;
      chart.current = init(place.current, null, { width: 1, height: 1 });
      setReady(true);
    });
    return () => {
      gone = true;
      chart.current?.dispose();
      chart.current = null;
    };
  }, []);
  useEffect(() => {
    const instance = chart.current;
    // Under the pointer a figure that is fed live stands still, or its values could not be read.
    if (instance === null || drawn === null || (pointed && shown)) return;
    const { width: across, height } = drawn.size;
    if (instance.getWidth() !== across || instance.getHeight() !== height) instance.resize({ width: across, height });
    // The panel around it is the background.
    instance.setOption({ ...textTooltips(drawn.option), backgroundColor: 'transparent' }, { notMerge: true });
    setShown(true);
  }, [drawn, ready, pointed]);
  const picked = useRef(onPick);
  picked.current = onPick;
  useEffect(() => {
    chart.current?.on('click', ({ seriesIndex, value }) => {
      if (Array.isArray(value)) picked.current?.(seriesIndex ?? 0, value.map(Number));
    });
  }, [ready]);

  const png = async (): Promise<void> => {
    const blob = await pngOf(draw(EXPORT_WIDTH, 'light'));
    if (blob !== null) download(`${label}.png`, blob);
  };
  const csv = (): void => download(`${label}.csv`, new Blob([toCsv(table())], { type: 'text/csv' }));
  return (
    <figure class="figure" aria-busy={!shown}>
      {problem !== null && <p class="problem">This figure cannot be drawn: {problem}</p>}
      <div class="canvas-scroll">
        <div
          ref={place}
          class="canvas"
          role="img"
          aria-label={label}
          onPointerEnter={({ pointerType }) => setPointed(pointerType === 'mouse')}
          onPointerLeave={() => setPointed(false)}
          hidden={problem !== null}
          style={{ height: `${drawn?.size.height ?? 320}px`, width: drawn === null ? '100%' : `${drawn.size.width}px` }}
        />
      </div>
      <figcaption>
        <button type="button" class="quiet" onClick={() => void png()} aria-label={`${label}: save as PNG`}>
          PNG
        </button>
        <button type="button" class="quiet" onClick={csv} aria-label={`${label}: save as CSV`}>
          CSV
        </button>
      </figcaption>
    </figure>
  );
}

export function useTheme(): ThemeName {
  const [theme, set] = useState(currentTheme);
  useEffect(() => onTheme(() => set(currentTheme())), []);
  return theme;
}

/** How wide the place is; 0 until the reader has come near it, so that a long page opens without drawing all of it. */
function useWidthOnceNear(place: { readonly current: HTMLElement | null }): number {
  const [width, set] = useState(0);
  useEffect(() => {
    const box = place.current?.parentElement;
    if (!box) return undefined;
    const resized = new ResizeObserver(() => set(Math.floor(box.clientWidth)));
    const near = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting !== true) return;
        near.disconnect();
        resized.observe(box);
      },
      { rootMargin: '200px' },
    );
    near.observe(box);
    return () => {
      near.disconnect();
      resized.disconnect();
    };
  }, []);
  return width;
}

/** ECharts, once the fonts that it measures and draws with are there. */
async function prepare(): Promise<typeof import('./echarts.ts')> {
  const [echarts] = await Promise.all([
    import('./echarts.ts'),
    document.fonts.load('400 12px Inter'),
    document.fonts.load('600 14px Inter'),
  ]);
  return echarts;
}

async function pngOf({ option, size }: Drawn): Promise<Blob | null> {
  const { init } = await prepare();
  const chart = init(document.createElement('div'), null, { ...size, devicePixelRatio: 2 });
  try {
    chart.setOption({ ...option, animation: false });
    const canvas = chart.renderToCanvas({ pixelRatio: 2 });
    return await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
  } finally {
    chart.dispose();
  }
}
