/** The heatmap of loads: layers by experts, in the colours of the project's figures. */
import { loadColour } from '@lpr/charts';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Loads } from '../src/progress.ts';
import { type Area, Canvas } from './canvas.tsx';

/** Room for the numbers of layers, in pixels; the ways of tokens below have as much. */
export const LEFT = 26;
const ROW = 30;
const BOTTOM = 18;
/** Times the even share at which the scale ends. */
const CLIP = 3;

interface Props {
  readonly loads: Loads | null;
  readonly layers: number;
  readonly experts: number;
  readonly layer: number;
  readonly onLayer: (layer: number) => void;
}

export function Heatmap({ loads, layers, experts, layer, onLayer }: Props): JSX.Element {
  const [pointed, point] = useState<{ readonly row: number; readonly expert: number } | null>(null);
  const cellAt = ({ x, y, width }: { x: number; y: number; width: number }): typeof pointed => {
    const [row, expert] = [Math.floor(y / ROW), Math.floor(((x - LEFT) / (width - LEFT)) * experts)];
    return row >= 0 && row < layers && expert >= 0 && expert < experts ? { row, expert } : null;
  };
  const load = pointed === null ? undefined : loads?.relative[pointed.row]?.[pointed.expert];
  return (
    <>
      <Canvas
        label={labelOf(loads, layers, experts)}
        heightOf={() => layers * ROW + BOTTOM}
        draw={(context, area) => drawHeatmap(context, area, { loads, layers, experts, layer })}
        onPoint={(place) => point(place === null ? null : cellAt(place))}
        onPick={(place) => {
          const cell = cellAt(place);
          if (cell !== null) onLayer(cell.row);
        }}
      />
      <p class="soft legend" aria-hidden="true">
        {pointed === null || load === undefined ? (
          <>
            idle <span class="bar-of-scale" style={{ background: scale() }} /> {CLIP}× the even share
          </>
        ) : (
          `layer ${pointed.row}, expert ${pointed.expert}: ${load === 0 ? 'idle' : `${load.toFixed(2)}× the even share`}`
        )}
      </p>
    </>
  );
}

function labelOf(loads: Loads | null, layers: number, experts: number): string {
  const what = `Loads of ${experts} experts in ${layers} ${layers === 1 ? 'layer' : 'layers'}`;
  if (loads === null) return `${what}: none yet`;
  return `${what}: the busiest has ${loads.most.toFixed(1)} times the even share, ${loads.idle} are idle`;
}

/** The colours from an idle expert on; CSS has the dark ones where the page is dark. */
function scale(): string {
  const stops = (theme: 'light' | 'dark'): string[] =>
    Array.from({ length: 13 }, (_, i) => loadColour(Math.max(0.001, (i / 12) * CLIP), CLIP, theme));
  const light = stops('light');
  const dark = stops('dark');
  const each = light.map((colour, i) => `light-dark(${colour}, ${dark[i]!}) ${8 + (i / 12) * 92}%`);
  const dead = `light-dark(${loadColour(0, CLIP, 'light')}, ${loadColour(0, CLIP, 'dark')})`;
  return `linear-gradient(to right, ${dead} 8%, ${each.join(', ')})`;
}

function drawHeatmap(
  context: CanvasRenderingContext2D,
  { width, colours }: Area,
  { loads, layers, experts, layer }: Omit<Props, 'onLayer'>,
): void {
  const cell = (width - LEFT) / experts;
  const gap = cell > 12 ? 2 : 1;
  context.textBaseline = 'middle';
  for (let row = 0; row < layers; row++) {
    context.textAlign = 'left';
    context.fillStyle = row === layer ? colours.ink : colours.soft;
    context.fillText(String(row), 6, row * ROW + ROW / 2);
    for (let expert = 0; expert < experts; expert++) {
      const load = loads?.relative[row]?.[expert];
      context.fillStyle = load === undefined ? colours.line : loadColour(load, CLIP, colours.theme);
      context.beginPath();
      context.roundRect(LEFT + expert * cell, row * ROW + gap, cell - gap, ROW - 2 * gap, Math.min(4, cell / 4));
      context.fill();
    }
    if (row === layer && layers > 1) {
      context.fillStyle = colours.ink;
      context.fillRect(0, row * ROW + 6, 2, ROW - 12);
    }
  }
  context.fillStyle = colours.soft;
  context.textAlign = 'center';
  context.font = context.font.replace('12px', '11px');
  const every = experts <= 16 ? 1 : experts / 8;
  for (let expert = 0; expert < experts; expert += cell < 16 && every === 1 ? 2 : every) {
    context.fillText(String(expert), LEFT + expert * cell + (cell - gap) / 2, layers * ROW + BOTTOM / 2 + 2);
  }
}
