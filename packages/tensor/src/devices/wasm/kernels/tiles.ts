/** How kernels over rows are cut into tiles. */

/** Elements that a thread handles in some tens of microseconds: the work of one tile. */
const ELEMENTS_PER_TILE = 16384;

/** Rows a tile, chosen from the row's length alone, and the number of tiles. */
export function tileRows(rows: number, columns: number): { rowsPerTile: number; tiles: number } {
  const rowsPerTile = Math.max(1, Math.floor(ELEMENTS_PER_TILE / Math.max(1, columns)));
  return { rowsPerTile, tiles: Math.ceil(rows / rowsPerTile) };
}
