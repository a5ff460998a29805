/**
 * How tiles lie on buffers. Flat kernels cut the elements into chunks, one a tile. Kernels over rows take some rows a
 * tile. Kernels over boxes walk the rows of the last axis ("inner"): a tile is some rows, or a chunk of one row; the
 * other axes stand behind the words, as size, first stride and second stride.
 */
import { Axis, Box, Flat, Rows } from '../generated/commands';

/** Offset in bytes of the tile's first element. */
@inline
export function chunkOffset(words: Flat, tile: i32): usize {
  return (<usize>(tile * words.chunk)) << 2;
}

/** Number of the tile's elements. */
@inline
export function chunkCount(words: Flat, tile: i32): i32 {
  return min(words.chunk, words.count - tile * words.chunk);
}

/** The tile's first row. */
@inline
export function firstRow(words: Rows, tile: i32): i32 {
  return tile * words.rowsPerTile;
}

/** The row behind the tile's last one, which begins at `first`. */
@inline
export function endRow(words: Rows, first: i32): i32 {
  return min(first + words.rowsPerTile, words.rows);
}

/** The axis at a place of the list that begins at `axes` with the number of axes. */
@inline
function axisAt(axes: usize, place: i32): Axis {
  return changetype<Axis>(axes + 4 + 12 * place);
}

/**
 * Places a walk over the outer axes at `row`. `axes` points at the number of axes, which they follow; `walk` holds the
 * two offsets in bytes and an index an axis.
 */
export function startWalk(axes: usize, row: i32, walk: usize): void {
  let first: usize = 0;
  let second: usize = 0;
  for (let place = load<i32>(axes) - 1; place >= 0; place--) {
    const axis = axisAt(axes, place);
    const size = axis.size;
    const index = row % size;
    row /= size;
    store<i32>(walk + 4 * place, index, 8);
    first += <usize>(index * axis.first) << 2;
    second += <usize>(index * axis.second) << 2;
  }
  store<usize>(walk, first);
  store<usize>(walk, second, 4);
}

/** Moves the walk to the next row. */
@inline
export function stepWalk(axes: usize, walk: usize): void {
  let first = load<usize>(walk);
  let second = load<usize>(walk, 4);
  for (let place = load<i32>(axes) - 1; place >= 0; place--) {
    const axis = axisAt(axes, place);
    const size = axis.size;
    const index = load<i32>(walk + 4 * place, 8) + 1;
    first += <usize>axis.first << 2;
    second += <usize>axis.second << 2;
    if (index < size) {
      store<i32>(walk + 4 * place, index, 8);
      break;
    }
    store<i32>(walk + 4 * place, 0, 8);
    first -= <usize>(size * axis.first) << 2;
    second -= <usize>(size * axis.second) << 2;
  }
  store<usize>(walk, first);
  store<usize>(walk, second, 4);
}

/** The tile's first row. */
@inline
export function boxRow(words: Box, tile: i32): i32 {
  return (tile / words.chunksPerRow) * words.rowsPerTile;
}

/** Number of rows of a tile that starts at `row`. */
@inline
export function boxRows(words: Box, row: i32): i32 {
  return min(words.rowsPerTile, words.rows - row);
}

/** First column of a tile. */
@inline
export function boxColumn(words: Box, tile: i32): i32 {
  return (tile % words.chunksPerRow) * words.chunkColumns;
}

/** Number of columns of a tile that starts at `column`. */
@inline
export function boxColumns(words: Box, column: i32): i32 {
  return min(words.chunkColumns, words.inner - column);
}
