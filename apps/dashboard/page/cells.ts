/** Tooltips and clicks of figures with so many cells that their chart has none. */
import { cellFinder, type FoundCell } from '@lpr/charts';
import type { EChartsOption } from 'echarts';

/** Follows the pointer over the place of a chart. @returns what ends that */
export function followCells(
  place: HTMLElement,
  option: () => EChartsOption | undefined,
  pick: (cell: FoundCell) => void,
): () => void {
  const listening = new AbortController();
  const { signal } = listening;
  const tip = document.createElement('div');
  tip.className = 'tip';
  const found = ({ clientX, clientY }: MouseEvent): { cell: FoundCell; x: number; y: number } | undefined => {
    const shown = option();
    const { left, top, width } = place.getBoundingClientRect();
    const [x, y] = [clientX - left, clientY - top];
    const cell = shown === undefined ? undefined : cellFinder(shown)?.(x, y);
    // Beyond the middle it is on the other side of the pointer, so that it stays within the figure.
    return cell === undefined ? undefined : { cell, x: x > width / 2 ? x - width : x, y };
  };
  place.addEventListener(
    'mousemove',
    (event) => {
      const at = found(event);
      if (at === undefined) return tip.remove();
      // Names of runs are text.
      tip.textContent = at.cell.lines.join('\n');
      tip.style.left = at.x < 0 ? '' : `${at.x + 14}px`;
      tip.style.right = at.x < 0 ? `${14 - at.x}px` : '';
      tip.style.top = `${at.y + 14}px`;
      place.append(tip);
    },
    { signal },
  );
  place.addEventListener('mouseleave', () => tip.remove(), { signal });
  place.addEventListener(
    'click',
    (event) => {
      const at = found(event);
      if (at !== undefined) pick(at.cell);
    },
    { signal },
  );
  return () => {
    listening.abort();
    tip.remove();
  };
}
