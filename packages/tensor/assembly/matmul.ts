/** Matrix product, batched and transposed. A tile is a block of rows by a block of columns of one matrix of the batch. */
import { clear, EDGE_BYTES, multiply, PANEL_BYTES, packColumns, packedBytes, packRows, transpose } from './gemm';
import { MATMUL_PRODUCT } from '../src/devices/wasm/opcodes';

/** Steps of the sum that are packed at once. */
const DEPTH: i32 = 256;
/** Bytes of a row of A turned: an odd number of cache lines, so that a column does not fall into one set of the cache. */
const TURNED_ROW: i32 = 4 * DEPTH + 64;

/** Runs tile `tile` of kernel `kernel` of this family. */
export function run(kernel: i32, args: usize, tile: i32, scratch: usize): void {
  if (kernel == (MATMUL_PRODUCT & 255)) product(args, tile, scratch);
}

/**
 * Words: a, b, out, m, n, k, transposeA, transposeB, bytes from one a and one b of the batch to the next, accumulate, rows
 * and columns of a tile, tiles along the rows, tiles along the columns.
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
  const rows = min(load<i32>(args, 44), m - firstRow);
  const columns = min(load<i32>(args, 48), n - firstColumn);
  multiplyBlock(
    load<usize>(args) + batch * load<i32>(args, 32),
    m,
    load<i32>(args, 24) != 0,
    load<usize>(args, 4) + batch * load<i32>(args, 36),
    n,
    load<i32>(args, 28) != 0,
    load<usize>(args, 8) + ((batch * m * n) << 2),
    k,
    firstRow,
    rows,
    firstColumn,
    columns,
    load<i32>(args, 40) != 0,
    scratch,
  );
}

/**
 * Rows `firstRow ..` and columns `firstColumn ..` of `out (+)= op(a) op(b)`; op(a) is `[m, k]`, op(b) `[k, n]`, out has rows
 * of n.
 */
export function multiplyBlock(
  a: usize,
  m: i32,
  transposeA: bool,
  b: usize,
  n: i32,
  transposeB: bool,
  out: usize,
  k: i32,
  firstRow: i32,
  rows: i32,
  firstColumn: i32,
  columns: i32,
  accumulate: bool,
  scratch: usize,
): void {
  const packed = scratch + EDGE_BYTES;
  const turned = packed + packedBytes(DEPTH, columns);
  const to = out + ((firstRow * n + firstColumn) << 2);
  if (k == 0 && !accumulate) {
    for (let i = 0; i < rows; i++) clear(to + ((i * n) << 2), columns << 2);
  }
  for (let p = 0; p < k; p += DEPTH) {
    const depth = min(DEPTH, k - p);
    if (transposeB) packColumns(b + ((firstColumn * k + p) << 2), k << 2, depth, columns, packed);
    else packRows(b + ((p * n + firstColumn) << 2), n << 2, depth, columns, packed);
    let left = a + ((firstRow * k + p) << 2);
    let leftRow = k << 2;
    if (transposeA) {
      left = turned;
      leftRow = TURNED_ROW;
      transpose(a + ((p * m + firstRow) << 2), m << 2, depth, rows, turned, TURNED_ROW);
    }
    multiply(
      rows,
      columns,
      depth,
      left,
      leftRow,
      packed,
      depth * PANEL_BYTES,
      to,
      n << 2,
      accumulate || p > 0,
      scratch,
    );
  }
}
