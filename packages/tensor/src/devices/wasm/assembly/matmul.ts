/**
 * Matrix product, batched and transposed. A tile is a block of rows by a block of columns of one matrix of the batch.
 * What several tiles would pack or turn alike is packed and turned once, by commands of their own.
 */
import {
  MATMUL_DEPTH_BITS,
  MATMUL_FEW_ROWS,
  MATMUL_FEW_ROWS_IN_ORDER,
  MATMUL_PACK_COLUMNS,
  MATMUL_TURNED_ROW,
} from '../constants';
import {
  MATMUL_PACK,
  MATMUL_PRODUCT,
  MATMUL_TURN,
  MatmulPackWords,
  MatmulProductWords,
  MatmulTurnWords,
} from '../generated/commands';
import { fetch, multiplyColumns } from './matmul-direct';
import { multiplyFewRows } from './matmul-few-rows';
import {
  clear,
  EDGE_BYTES,
  multiply,
  PANEL,
  PANEL_BYTES,
  packColumns,
  packedBytes,
  packRows,
  STRIP,
  transpose,
} from './matmul-gemm';

/** Runs tile `tile` of a command of this family. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  switch (opcode) {
    case MATMUL_PRODUCT:
      product(changetype<MatmulProductWords>(args), tile, scratch);
      break;
    case MATMUL_PACK:
      pack(changetype<MatmulPackWords>(args), tile);
      break;
    case MATMUL_TURN:
      turn(changetype<MatmulTurnWords>(args), tile);
      break;
    default:
      unreachable();
  }
}

/** Number of parts in which sums of k steps are taken. */
function depthParts(k: i32): i32 {
  return (k + (1 << MATMUL_DEPTH_BITS) - 1) >> MATMUL_DEPTH_BITS;
}

/** Steps of one part. */
function depthOfPart(k: i32): i32 {
  const parts = depthParts(k);
  return (k + parts - 1) / max(1, parts);
}

/** Packs b part by part of the sum. */
function pack(words: MatmulPackWords, tile: i32): void {
  const n = words.n;
  const k = words.k;
  const columnTiles = words.columnTiles;
  const parts = depthParts(k);
  const copy = tile / (columnTiles * parts);
  const place = tile % (columnTiles * parts);
  const column = (place % columnTiles) * MATMUL_PACK_COLUMNS;
  const step = (place / columnTiles) * depthOfPart(k);
  const columns = min(MATMUL_PACK_COLUMNS, n - column);
  const depth = min(depthOfPart(k), k - step);
  const b = words.b + copy * words.bBatchBytes;
  const panel = depth * PANEL_BYTES;
  const to = words.packed + copy * packedBytes(k, n) + packedBytes(step, n) + (column >> 3) * panel;
  if (words.transposeB) packColumns(b + ((column * k + step) << 2), k << 2, depth, columns, to, panel);
  else packRows(b + ((step * n + column) << 2), n << 2, depth, columns, to, panel);
}

/** Turns a part by part of the sum. */
function turn(words: MatmulTurnWords, tile: i32): void {
  const m = words.m;
  const k = words.k;
  const parts = depthParts(k);
  const step = (tile % parts) * depthOfPart(k);
  const from = words.a + (tile / parts) * words.aBatchBytes + ((step * m) << 2);
  const to = words.turned + tile * m * MATMUL_TURNED_ROW;
  transpose(from, m << 2, min(depthOfPart(k), k - step), m, to, MATMUL_TURNED_ROW);
}

function product(words: MatmulProductWords, tile: i32, scratch: usize): void {
  const m = words.m;
  const n = words.n;
  const k = words.k;
  const rowTiles = words.rowTiles;
  const columnTiles = words.columnTiles;
  const batch = tile / (rowTiles * columnTiles);
  const place = tile % (rowTiles * columnTiles);
  const firstRow = (place % rowTiles) * words.rowsPerTile;
  const firstColumn = (place / rowTiles) * words.columnsPerTile;
  multiplyBlock(
    words.a + batch * words.aBatchBytes,
    m,
    words.transposeA != 0,
    words.turned != 0,
    words.b + batch * words.bBatchBytes,
    n,
    words.transposeB != 0,
    words.packed != 0,
    words.out + ((batch * m * n) << 2),
    k,
    firstRow,
    min(words.rowsPerTile, m - firstRow),
    firstColumn,
    min(words.columnsPerTile, n - firstColumn),
    words.accumulate != 0,
    scratch,
  );
}

/**
 * Rows `firstRow ..` and columns `firstColumn ..` of `out (+)= op(a) op(b)`; op(a) is `[m, k]`, op(b) `[k, n]`, out has
 * rows of n. `turnedA` and `packedB` tell that `turn` and `pack` have been there.
 */
export function multiplyBlock(
  a: usize,
  m: i32,
  transposeA: bool,
  turnedA: bool,
  b: usize,
  n: i32,
  transposeB: bool,
  packedB: bool,
  out: usize,
  k: i32,
  firstRow: i32,
  rows: i32,
  firstColumn: i32,
  columns: i32,
  accumulate: bool,
  scratch: usize,
): void {
  const to = out + ((firstRow * n + firstColumn) << 2);
  if (k == 0 && !accumulate) {
    for (let i = 0; i < rows; i++) clear(to + ((i * n) << 2), columns << 2);
  }
  const part = depthOfPart(k);
  const packed = scratch + EDGE_BYTES;
  const single = part == k && !accumulate && !turnedA && !packedB;
  if (transposeA && !transposeB && single && k > 0 && rows >= STRIP && columns >= PANEL) {
    fetch(to, n << 2, rows, columns << 2, scratch);
    multiplyColumns(rows, columns, k, a + (firstRow << 2), m << 2, b + (firstColumn << 2), n << 2, to, n << 2, scratch);
    return;
  }
  const whole = !packedB && rows <= (transposeB ? MATMUL_FEW_ROWS : MATMUL_FEW_ROWS_IN_ORDER);
  const turned = whole ? packed : packed + packedBytes(part, columns);
  for (let p = 0; p < k; p += part) {
    const depth = min(part, k - p);
    const panel = depth * PANEL_BYTES;
    let right = packed;
    if (packedB) right = b + packedBytes(p, n) + (firstColumn >> 3) * panel;
    else {
      const from = b + (transposeB ? (firstColumn * k + p) << 2 : (p * n + firstColumn) << 2);
      if (whole) right = from;
      else if (transposeB) {
        fetch(from, k << 2, columns, depth << 2, scratch);
        packColumns(from, k << 2, depth, columns, packed, panel);
      } else {
        fetch(from, n << 2, depth, columns << 2, scratch);
        packRows(from, n << 2, depth, columns, packed, panel);
      }
    }
    let left = a + ((firstRow * k + p) << 2);
    let leftRow = k << 2;
    if (transposeA) {
      leftRow = MATMUL_TURNED_ROW;
      if (turnedA) left = a + ((p / part) * m + firstRow) * MATMUL_TURNED_ROW;
      else {
        left = turned;
        transpose(a + ((p * m + firstRow) << 2), m << 2, depth, rows, turned, MATMUL_TURNED_ROW);
      }
    }
    const adds = accumulate || p > 0;
    if (whole) {
      const rightRow = (transposeB ? k : n) << 2;
      multiplyFewRows(rows, columns, depth, left, leftRow, right, rightRow, transposeB, to, n << 2, adds);
    } else multiply(rows, columns, depth, left, leftRow, right, panel, to, n << 2, adds, scratch);
  }
}
