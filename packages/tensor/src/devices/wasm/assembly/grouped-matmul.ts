/**
 * Matrix products of groups of rows, whose sizes stand on the device: tile numbers are handed out over an upper bound
 * of the number of tiles, and a tile finds its group by walking the offsets.
 */
import {
  GROUPED_MATMUL,
  GROUPED_MATMUL_TRANSPOSED,
  GroupedMatmulTransposedWords,
  GroupedMatmulWords,
} from '../generated/commands';
import { checkIndex } from './faults';
import { multiplyBlock } from './matmul';

/** Runs tile `tile` of a command of this family. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  switch (opcode) {
    case GROUPED_MATMUL:
      product(changetype<GroupedMatmulWords>(args), tile, scratch);
      break;
    case GROUPED_MATMUL_TRANSPOSED:
      transposed(changetype<GroupedMatmulTransposedWords>(args), tile, scratch);
      break;
    default:
      unreachable();
  }
}

function product(words: GroupedMatmulWords, tile: i32, scratch: usize): void {
  const offsets = words.offsets;
  const groups = words.groups;
  const n = words.n;
  const k = words.k;
  const rowsPerTile = words.rowsPerTile;
  const columnsPerTile = words.columnsPerTile;
  const columnTiles = words.columnTiles;
  const places = words.rows + 1;
  let block = tile / columnTiles;
  const firstColumn = (tile % columnTiles) * columnsPerTile;
  for (let g = 0; g < groups; g++) {
    const start = load<i32>(offsets + (g << 2));
    const end = load<i32>(offsets + (g << 2), 4);
    checkIndex(start, places);
    checkIndex(end, places);
    const size = end - start;
    const blocks = (size + rowsPerTile - 1) / rowsPerTile;
    if (block < blocks) {
      const firstRow = block * rowsPerTile;
      multiplyBlock(
        words.x + ((start * k) << 2),
        size,
        false,
        false,
        words.weights + ((g * k * n) << 2),
        n,
        words.transposeWeights != 0,
        false,
        words.out + ((start * n) << 2),
        k,
        firstRow,
        min(rowsPerTile, size - firstRow),
        firstColumn,
        min(columnsPerTile, n - firstColumn),
        false,
        scratch,
      );
      return;
    }
    block -= blocks;
  }
}

function transposed(words: GroupedMatmulTransposedWords, tile: i32, scratch: usize): void {
  const m = words.m;
  const n = words.n;
  const rowTiles = words.rowTiles;
  const columnTiles = words.columnTiles;
  const g = tile / (rowTiles * columnTiles);
  const place = tile % (rowTiles * columnTiles);
  const firstRow = (place % rowTiles) * words.rowsPerTile;
  const firstColumn = (place / rowTiles) * words.columnsPerTile;
  const offsets = words.offsets + (g << 2);
  const start = load<i32>(offsets);
  const end = load<i32>(offsets, 4);
  const places = words.rows + 1;
  checkIndex(start, places);
  checkIndex(end, places);
  multiplyBlock(
    words.a + ((start * m) << 2),
    m,
    true,
    false,
    words.b + ((start * n) << 2),
    n,
    false,
    false,
    words.out + ((g * m * n) << 2),
    end - start,
    firstRow,
    min(words.rowsPerTile, m - firstRow),
    firstColumn,
    min(words.columnsPerTile, n - firstColumn),
    false,
    scratch,
  );
}
