/** How kernels over strided boxes, and over flat buffers, are cut into tiles. */
import { mergeAxes, sizeOf } from '../../../shape.ts';
import type { Axis } from '../commands/words.ts';

/** Elements of one tile: some microseconds of work. */
export const CHUNK = 8192;

/** A box that two buffers share: the axes that one stride cannot reach over, the innermost apart. */
export interface Box {
  readonly outer: Axis[];
  readonly inner: Axis;
}

export function boxOf(shape: readonly number[], first: readonly number[], second: readonly number[]): Box {
  const merged = mergeAxes(shape, [first, second]);
  const axes = merged.shape.map((size, axis) => ({
    size,
    first: merged.strides[0]![axis]!,
    second: merged.strides[1]![axis]!,
  }));
  return { outer: axes.slice(0, -1), inner: axes.at(-1)! };
}

/** Places that some axes have together. */
export function placesOf(axes: readonly Axis[]): number {
  return sizeOf(axes.map(({ size }) => size));
}

/** The words that a command over boxes begins with. */
interface BoxWords {
  readonly rows: number;
  readonly inner: number;
  readonly rowsPerTile: number;
  readonly chunksPerRow: number;
  readonly chunkColumns: number;
}

/** How the rows of a box are cut, and the number of tiles. */
export function tileBox({ outer, inner: { size: inner } }: Box): { tiles: number; words: BoxWords } {
  const rows = placesOf(outer);
  const rowsPerTile = Math.max(1, Math.floor(CHUNK / inner));
  const chunksPerRow = Math.ceil(inner / CHUNK);
  return {
    tiles: Math.ceil(rows / rowsPerTile) * chunksPerRow,
    words: { rows, inner, rowsPerTile, chunksPerRow, chunkColumns: Math.min(CHUNK, inner) },
  };
}
