/** How kernels over rows are cut into tiles. */

/** Elements that a thread handles in some tens of microseconds: the work of one tile. */
const ELEMENTS_PER_TILE = 16384;

/** The same for kernels that take longer over an element. */
export const LAYER_ELEMENTS_PER_TILE = 8192;

/** Rows a tile, chosen from the row's length alone, and the number of tiles. */
export function tileRows(
  rows: number,
  rowElements: number,
  elementsPerTile: number = ELEMENTS_PER_TILE,
): { rowsPerTile: number; tiles: number } {
  const rowsPerTile = Math.max(1, Math.floor(elementsPerTile / Math.max(1, rowElements)));
  return { rowsPerTile, tiles: Math.ceil(rows / rowsPerTile) };
}
