/**
 * Matrix products of groups of rows, whose sizes stand on the device: tile numbers are handed out over an upper bound
 * of the number of tiles, and a tile finds its group by walking the offsets.
 */
import { checkIndex } from './faults';
import { multiplyBlock } from './matmul';
import { GROUPED_MATMUL, GROUPED_TRANSPOSED } from '../src/devices/wasm/opcodes';

/** Runs tile `tile` of kernel `kernel` of this family. */
export function run(kernel: i32, args: usize, tile: i32, scratch: usize): void {
  if (kernel == (GROUPED_MATMUL & 255)) product(args, tile, scratch);
  else if (kernel == (GROUPED_TRANSPOSED & 255)) transposed(args, tile, scratch);
}

/**
 * Words: x, weights, offsets, out, groups, n, k, transposeWeights, rows and columns of a tile, tiles along the columns,
 * rows of x.
 */
function product(args: usize, tile: i32, scratch: usize): void {
  const offsets = load<usize>(args, 8);
  const groups = load<i32>(args, 16);
  const n = load<i32>(args, 20);
  const k = load<i32>(args, 24);
  const rowsOfTile = load<i32>(args, 32);
  const columnsOfTile = load<i32>(args, 36);
  const columnTiles = load<i32>(args, 40);
  const places = load<u32>(args, 44) + 1;
  let block = tile / columnTiles;
  const firstColumn = (tile % columnTiles) * columnsOfTile;
  for (let g = 0; g < groups; g++) {
    const start = load<i32>(offsets + (g << 2));
    const end = load<i32>(offsets + (g << 2), 4);
    checkIndex(start, places);
    checkIndex(end, places);
    const size = end - start;
    const blocks = (size + rowsOfTile - 1) / rowsOfTile;
    if (block < blocks) {
      const firstRow = block * rowsOfTile;
      multiplyBlock(
        load<usize>(args) + ((start * k) << 2),
        size,
        false,
        false,
        load<usize>(args, 4) + ((g * k * n) << 2),
        n,
        load<i32>(args, 28) != 0,
        false,
        load<usize>(args, 12) + ((start * n) << 2),
        k,
        firstRow,
        min(rowsOfTile, size - firstRow),
        firstColumn,
        min(columnsOfTile, n - firstColumn),
        false,
        scratch,
      );
      return;
    }
    block -= blocks;
  }
}

/**
 * Words: a, b, offsets, out, m, n, rows and columns of a tile, tiles along the rows, tiles along the columns, rows of a
 * and b.
 */
function transposed(args: usize, tile: i32, scratch: usize): void {
  const m = load<i32>(args, 16);
  const n = load<i32>(args, 20);
  const rowTiles = load<i32>(args, 32);
  const columnTiles = load<i32>(args, 36);
  const g = tile / (rowTiles * columnTiles);
  const place = tile % (rowTiles * columnTiles);
  const firstRow = (place % rowTiles) * load<i32>(args, 24);
  const firstColumn = (place / rowTiles) * load<i32>(args, 28);
  const offsets = load<usize>(args, 8) + (g << 2);
  const start = load<i32>(offsets);
  const end = load<i32>(offsets, 4);
  const places = load<u32>(args, 40) + 1;
  checkIndex(start, places);
  checkIndex(end, places);
  multiplyBlock(
    load<usize>(args) + ((start * m) << 2),
    m,
    true,
    false,
    load<usize>(args, 4) + ((start * n) << 2),
    n,
    false,
    false,
    load<usize>(args, 12) + ((g * m * n) << 2),
    end - start,
    firstRow,
    min(load<i32>(args, 24), m - firstRow),
    firstColumn,
    min(load<i32>(args, 28), n - firstColumn),
    false,
    scratch,
  );
}
