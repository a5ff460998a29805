/** How a matrix product is cut into tiles. */

/** Blocks are whole numbers of strips (of 5 or 6 rows) and panels (of 8 columns) of the innermost kernel. */
const STRIP = 30;
const PANEL = 8;

/** Sizes of the blocks of a product, and how many there are each way. */
export interface Tiling {
  readonly rows: number;
  readonly columns: number;
  readonly rowTiles: number;
  readonly columnTiles: number;
}

/** Cuts `extent` into equal blocks of at most `largest`, each a multiple of `unit`. */
function cut(extent: number, largest: number, unit: number): number {
  const blocks = Math.ceil(extent / largest);
  return Math.ceil(extent / blocks / unit) * unit;
}

/**
 * Blocks for a product `[m, n]` of which there are `copies`. B is packed once for every row of blocks, so blocks are as tall
 * as leaves `wanted` of them; they are wide enough that reading A again for each column of blocks is cheap.
 */
export function tile(m: number, n: number, copies: number, wanted: number): Tiling {
  let rows = cut(m, 180, STRIP);
  let columns = cut(n, 256, PANEL);
  const count = (): number => copies * Math.ceil(m / rows) * Math.ceil(n / columns);
  while (count() < wanted && (rows > 60 || columns > 64)) {
    if (columns > 64 && columns >= rows) columns = cut(columns, Math.max(64, columns / 2), PANEL);
    else rows = cut(rows, Math.max(60, rows / 2), STRIP);
  }
  return { rows, columns, rowTiles: Math.ceil(m / rows), columnTiles: Math.ceil(n / columns) };
}
