/** How a matrix product is cut into tiles. */
import { MATMUL_FEW_ROWS } from '../constants.ts';

/** Blocks are whole numbers of strips and panels of the innermost kernel (strips have 5 rows without relaxed SIMD). */
const STRIP = 6;
const PANEL = 8;

/** Products of few rows read B where it lies: the longer its rows, the better. */
const MOST_COLUMNS_OF_FEW_ROWS = 1024;
/** The largest block: what it needs of both operands fits the second cache. */
const MOST_ROWS = 258;
const MOST_COLUMNS = 256;
/** Blocks are not made smaller than this for the sake of more of them. */
const FEWEST_ROWS = 60;
const FEWEST_COLUMNS = 64;
/** Multiply-adds that are worth a tile: a few microseconds. */
const TILE_WORK = 100_000;

/** Sizes of the blocks of a product, and how many there are each way. */
export interface Tiling {
  readonly rows: number;
  readonly columns: number;
  readonly rowTiles: number;
  readonly columnTiles: number;
}

/** Bytes of a `[k, n]` matrix in panels of 8 columns. */
export function packedBytes(k: number, n: number): number {
  return Math.ceil(n / PANEL) * PANEL * 4 * k;
}

/** Cuts `extent` into equal blocks of at most `largest`, each a multiple of `unit`. */
function cut(extent: number, largest: number, unit: number): number {
  const blocks = Math.ceil(extent / largest);
  return Math.ceil(extent / blocks / unit) * unit;
}

/**
 * Blocks for products `[m, k] [k, n]`, of which there are `copies`: large ones, but about four for each thread. Columns
 * are cut first, since B is packed for each row of blocks.
 */
export function tile(m: number, n: number, k: number, copies: number, threads: number): Tiling {
  const wanted = Math.min(4 * threads, Math.ceil((copies * m * n * k) / TILE_WORK));
  let rows = cut(m, MOST_ROWS, STRIP);
  let columns = cut(n, m <= MATMUL_FEW_ROWS ? MOST_COLUMNS_OF_FEW_ROWS : MOST_COLUMNS, PANEL);
  const count = (): number => copies * Math.ceil(m / rows) * Math.ceil(n / columns);
  while (count() < wanted && (rows > FEWEST_ROWS || columns > FEWEST_COLUMNS)) {
    if (columns > FEWEST_COLUMNS) columns = cut(columns, Math.max(FEWEST_COLUMNS, columns / 2), PANEL);
    else rows = cut(rows, Math.max(FEWEST_ROWS, rows / 2), STRIP);
  }
  return { rows, columns, rowTiles: Math.ceil(m / rows), columnTiles: Math.ceil(n / columns) };
}
