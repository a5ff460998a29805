/**
 * Matrix product, batched and transposed. A tile is a block of rows by a block of columns of one matrix of the batch.
 * What several tiles would pack or turn alike is packed and turned once, by commands of their own.
 */
import { FEW_ROWS, multiplyFewRows } from './few-rows';
import { clear, EDGE_BYTES, multiply, PANEL_BYTES, packColumns, packedBytes, packRows, transpose } from './gemm';
import {
  MATMUL_DEPTH_BITS,
  MATMUL_PACK,
  MATMUL_PACK_COLUMNS,
  MATMUL_PRODUCT,
  MATMUL_TURN,
  MATMUL_TURNED_ROW,
} from '../src/devices/wasm/opcodes';

/** Runs tile `tile` of kernel `kernel` of this family. */
export function run(kernel: i32, args: usize, tile: i32, scratch: usize): void {
  if (kernel == (MATMUL_PRODUCT & 255)) product(args, tile, scratch);
  else if (kernel == (MATMUL_PACK & 255)) pack(args, tile);
  else if (kernel == (MATMUL_TURN & 255)) turn(args, tile);
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

/**
 * Packs b part by part of the sum. Words: b, packed, n, k, transposeB, bytes from one b to the next, tiles along the
 * columns.
 */
function pack(args: usize, tile: i32): void {
  const n = load<i32>(args, 8);
  const k = load<i32>(args, 12);
  const columnTiles = load<i32>(args, 24);
  const parts = depthParts(k);
  const copy = tile / (columnTiles * parts);
  const place = tile % (columnTiles * parts);
  const column = (place % columnTiles) * MATMUL_PACK_COLUMNS;
  const step = (place / columnTiles) * depthOfPart(k);
  const columns = min(MATMUL_PACK_COLUMNS, n - column);
  const depth = min(depthOfPart(k), k - step);
  const b = load<usize>(args) + copy * load<i32>(args, 20);
  const panel = depth * PANEL_BYTES;
  const to = load<usize>(args, 4) + copy * packedBytes(k, n) + packedBytes(step, n) + (column >> 3) * panel;
  if (load<i32>(args, 16)) packColumns(b + ((column * k + step) << 2), k << 2, depth, columns, to, panel);
  else packRows(b + ((step * n + column) << 2), n << 2, depth, columns, to, panel);
}

/** Turns a part by part of the sum. Words: a, turned, m, k, bytes from one a to the next. */
function turn(args: usize, tile: i32): void {
  const m = load<i32>(args, 8);
  const k = load<i32>(args, 12);
  const parts = depthParts(k);
  const step = (tile % parts) * depthOfPart(k);
  const from = load<usize>(args) + (tile / parts) * load<i32>(args, 16) + ((step * m) << 2);
  const to = load<usize>(args, 4) + tile * m * MATMUL_TURNED_ROW;
  transpose(from, m << 2, min(depthOfPart(k), k - step), m, to, MATMUL_TURNED_ROW);
}

/**
 * Words: a, b, out, m, n, k, transposeA, transposeB, bytes from one a and one b of the batch to the next, accumulate,
 * rows and columns of a tile, tiles along the rows, tiles along the columns, whether a is turned, whether b is packed.
 */
function product(args: usize, tile: i32, scratch: usize): void {
  const m = load<i32>(args, 12);
  const n = load<i32>(args, 16);
  const k = load<i32>(args, 20);
  const rowTiles = load<i32>(args, 52);
  const columnTiles = load<i32>(args, 56);
  const batch = tile / (rowTiles * columnTiles);
  const place = tile % (rowTiles * columnTiles);
  const firstRow = (place % rowTiles) * load<i32>(args, 44);
  const firstColumn = (place / rowTiles) * load<i32>(args, 48);
  multiplyBlock(
    load<usize>(args) + batch * load<i32>(args, 32),
    m,
    load<i32>(args, 24) != 0,
    load<i32>(args, 60) != 0,
    load<usize>(args, 4) + batch * load<i32>(args, 36),
    n,
    load<i32>(args, 28) != 0,
    load<i32>(args, 64) != 0,
    load<usize>(args, 8) + ((batch * m * n) << 2),
    k,
    firstRow,
    min(load<i32>(args, 44), m - firstRow),
    firstColumn,
    min(load<i32>(args, 48), n - firstColumn),
    load<i32>(args, 40) != 0,
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
  const whole = rows <= FEW_ROWS && !packedB;
  const turned = whole ? packed : packed + packedBytes(part, columns);
  for (let p = 0; p < k; p += part) {
    const depth = min(part, k - p);
    const panel = depth * PANEL_BYTES;
    let right = packed;
    if (whole) right = b + (transposeB ? (firstColumn * k + p) << 2 : (p * n + firstColumn) << 2);
    else if (packedB) right = b + packedBytes(p, n) + (firstColumn >> 3) * panel;
    else if (transposeB) packColumns(b + ((firstColumn * k + p) << 2), k << 2, depth, columns, packed, panel);
    else packRows(b + ((p * n + firstColumn) << 2), n << 2, depth, columns, packed, panel);
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
