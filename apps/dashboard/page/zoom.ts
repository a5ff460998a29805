/** Zooming by drag: what is dragged over becomes the axis, a double click gives all of it back. */
import type { ECharts } from 'echarts';
import { useEffect, useRef } from 'preact/hooks';

interface Ref<T> {
  readonly current: T | null;
}

/** Less is no drag but a click, CSS pixels. */
const LEAST = 6;

/**
 * @param place of the chart; null for a figure that has no axis to zoom
 * @param zoom is given the ends of the axis, or null for all of it
 */
export function useDragZoom(
  place: Ref<HTMLElement> | null,
  chart: Ref<ECharts>,
  zoom: (range: readonly [number, number] | null) => void,
): void {
  const newest = useRef(zoom);
  newest.current = zoom;
  const box = place?.current ?? null;
  useEffect(() => {
    if (box === null) return undefined;
    const drag = new DragZoom(box, chart, (range) => newest.current(range));
    return () => drag.end();
  }, [box]);
}

class DragZoom {
  readonly #box: HTMLElement;
  readonly #chart: Ref<ECharts>;
  readonly #zoom: (range: readonly [number, number] | null) => void;
  readonly #listening = new AbortController();
  /** Drawn over what is dragged over. */
  readonly #mark = document.createElement('div');
  #start: { readonly x: number; readonly panel: number } | null = null;

  constructor(box: HTMLElement, chart: Ref<ECharts>, zoom: (range: readonly [number, number] | null) => void) {
    this.#box = box;
    this.#chart = chart;
    this.#zoom = zoom;
    this.#mark.className = 'zoom-mark';
    this.#mark.hidden = true;
    const { signal } = this.#listening;
    box.addEventListener('pointerdown', (event) => this.#begin(event), { signal });
    box.addEventListener('pointermove', (event) => this.#move(event), { signal });
    box.addEventListener('pointerup', (event) => this.#finish(event), { signal });
    box.addEventListener('pointercancel', () => this.#stop(), { signal });
    box.addEventListener('dblclick', () => this.#zoom(null), { signal });
  }

  end(): void {
    this.#listening.abort();
    this.#mark.remove();
  }

  #place(event: PointerEvent): [number, number] {
    const { left, top } = this.#box.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  #begin(event: PointerEvent): void {
    // A finger scrolls the page.
    if (event.button !== 0 || event.pointerType === 'touch') return;
    const chart = this.#chart.current;
    const [x, y] = this.#place(event);
    const panels = (chart?.getOption()?.['xAxis'] as readonly unknown[] | undefined)?.length ?? 0;
    const panel = Array.from({ length: panels }, (_, i) => i).find((i) =>
      chart!.containPixel({ gridIndex: i }, [x, y]),
    );
    if (panel === undefined) return;
    this.#start = { x, panel };
    // The chart empties its place when it begins.
    this.#box.append(this.#mark);
    this.#box.setPointerCapture(event.pointerId);
  }

  #move(event: PointerEvent): void {
    if (this.#start === null) return;
    const [x] = this.#place(event);
    const { style } = this.#mark;
    this.#mark.hidden = Math.abs(x - this.#start.x) < LEAST;
    style.left = `${Math.min(x, this.#start.x)}px`;
    style.width = `${Math.abs(x - this.#start.x)}px`;
  }

  #finish(event: PointerEvent): void {
    const start = this.#start;
    const chart = this.#chart.current;
    this.#stop();
    if (start === null || chart === null) return;
    const [x] = this.#place(event);
    if (Math.abs(x - start.x) < LEAST) return;
    const ends = [start.x, x].map((at) => chart.convertFromPixel({ xAxisIndex: start.panel }, at));
    const [from, to] = [Math.min(...ends), Math.max(...ends)];
    if (from < to) this.#zoom([Number(from.toPrecision(6)), Number(to.toPrecision(6))]);
  }

  #stop(): void {
    this.#start = null;
    this.#mark.hidden = true;
  }
}
