/** How kernels over strided boxes, and over flat buffers, are cut into tiles. */
import { mergeAxes } from '../../../shape.ts';
import type { Axis } from '../commands/words.ts';

/** Elements of one tile: some microseconds of work. */
export const CHUNK = 8192;

/** A box that two buffers share: the axes that one stride cannot reach over, the innermost apart. */
export interface Box {
  readonly outer: Axis[];
  readonly inner: Axis;
}

export function boxOf(shape: readonly number[], first: readonly number[], second: readonly number[]): Box {
  const { shape: sizes, strides } = mergeAxes(shape, [first, second]);
  const outer: Axis[] = [];
  for (const [axis, size] of sizes.entries()) {
    outer.push({ size, first: strides[0]![axis]!, second: strides[1]![axis]! });
  }
  const inner = outer.pop()!;
  return { outer, inner };
}

/** Places that some axes have together. */
export function placesOf(axes: readonly Axis[]): number {
  return axes.reduce((places, { size }) => places * size, 1);
}

/** How the rows of a box are cut: the words that a command over boxes begins with, and the number of tiles. */
interface BoxTiles {
  readonly tiles: number;
  readonly rows: number;
  readonly inner: number;
  readonly rowsPerTile: number;
  readonly chunksPerRow: number;
  readonly chunkColumns: number;
}

export function tileBox({ outer, inner: { size: inner } }: Box): BoxTiles {
  const rows = placesOf(outer);
  const rowsPerTile = Math.max(1, Math.floor(CHUNK / inner));
  const chunksPerRow = Math.ceil(inner / CHUNK);
  const tiles = Math.ceil(rows / rowsPerTile) * chunksPerRow;
  return { tiles, rows, inner, rowsPerTile, chunksPerRow, chunkColumns: Math.min(CHUNK, inner) };
}
