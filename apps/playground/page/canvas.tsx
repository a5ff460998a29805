/** A canvas as wide as its place and as sharp as the screen, drawn anew when what it shows changes. */
import { onTheme } from '@lpr/dashboard/page/theme';
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type Colours, pageColours } from './colours.ts';

/** Where something is drawn, in CSS pixels. */
export interface Area {
  readonly width: number;
  readonly height: number;
  readonly colours: Colours;
}

export interface CanvasProps {
  /** What it shows, in words. */
  readonly label: string;
  /** Of its width. */
  readonly heightOf: (width: number) => number;
  readonly draw: (context: CanvasRenderingContext2D, area: Area) => void;
  /** Told where the pointer is; null: it left. */
  readonly onPoint?: (place: { readonly x: number; readonly y: number; readonly width: number } | null) => void;
  readonly onPick?: (place: { readonly x: number; readonly y: number; readonly width: number }) => void;
}

const FONT = '12px Inter, "Helvetica Neue", Arial, sans-serif';

export function Canvas({ label, heightOf, draw, onPoint, onPick }: CanvasProps): JSX.Element {
  const place = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [, redraw] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    observer.observe(place.current!.parentElement!);
    const forget = onTheme(() => redraw((count) => count + 1));
    void document.fonts.ready.then(() => redraw((count) => count + 1));
    return () => {
      observer.disconnect();
      forget();
    };
  }, []);
  const height = Math.round(heightOf(width));
  useLayoutEffect(() => {
    const canvas = place.current!;
    const ratio = Math.max(1, devicePixelRatio);
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    // Even the same size would clear and allocate it anew.
    if (canvas.width !== wide) canvas.width = wide;
    if (canvas.height !== high) canvas.height = high;
    const context = canvas.getContext('2d');
    if (context === null || width === 0) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = FONT;
    draw(context, { width, height, colours: pageColours() });
  });
  const placeOf = ({ offsetX: x, offsetY: y }: MouseEvent): { x: number; y: number; width: number } => ({
    x,
    y,
    width,
  });
  return (
    <canvas
      ref={place}
      role="img"
      aria-label={label}
      class={onPick === undefined ? 'drawing' : 'drawing picks'}
      style={{ height: `${height}px` }}
      onPointerMove={(event) => onPoint?.(placeOf(event))}
      onPointerLeave={() => onPoint?.(null)}
      onClick={(event) => onPick?.(placeOf(event))}
    />
  );
}
