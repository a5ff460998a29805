/**
 * How tiles lie on buffers. Flat kernels cut the elements into chunks, one a tile. Kernels over boxes walk the rows of
 * the last axis ("inner"): a tile is some rows, or a chunk of one row; the other axes are described by words (size,
 * first stride, second stride) behind the fixed arguments.
 */

// ---- flat kernels: words are 0 count, 1 chunk, then the kernel's own
// ---------------------------------------------------

/** Offset in bytes of the tile's first element. */
@inline
export function chunkOffset(args: usize, tile: i32): usize {
  return (<usize>(tile * load<i32>(args, 4))) << 2;
}

/** Number of the tile's elements. */
@inline
export function chunkCount(args: usize, tile: i32): i32 {
  const chunk = load<i32>(args, 4);
  return min(chunk, load<i32>(args) - tile * chunk);
}

// ---- boxes: words are 0 rows, 1 inner, 2 rows a tile, 3 chunks a row, 4 elements a chunk, then the kernel's own
// ----------

/**
 * Places a walk over the outer axes at `row`. `axes` points at the number of axes and their words (size, first stride,
 * second stride); `walk` holds the two offsets in bytes and an index an axis.
 */
export function startWalk(axes: usize, row: i32, walk: usize): void {
  let first: usize = 0;
  let second: usize = 0;
  for (let axis = load<i32>(axes) - 1; axis >= 0; axis--) {
    const words = axes + 4 + 12 * axis;
    const size = load<i32>(words);
    const index = row % size;
    row /= size;
    store<i32>(walk + 4 * axis, index, 8);
    first += <usize>(index * load<i32>(words, 4)) << 2;
    second += <usize>(index * load<i32>(words, 8)) << 2;
  }
  store<usize>(walk, first);
  store<usize>(walk, second, 4);
}

/** Moves the walk to the next row. */
@inline
export function stepWalk(axes: usize, walk: usize): void {
  let first = load<usize>(walk);
  let second = load<usize>(walk, 4);
  for (let axis = load<i32>(axes) - 1; axis >= 0; axis--) {
    const words = axes + 4 + 12 * axis;
    const size = load<i32>(words);
    const index = load<i32>(walk + 4 * axis, 8) + 1;
    first += <usize>load<i32>(words, 4) << 2;
    second += <usize>load<i32>(words, 8) << 2;
    if (index < size) {
      store<i32>(walk + 4 * axis, index, 8);
      break;
    }
    store<i32>(walk + 4 * axis, 0, 8);
    first -= <usize>(size * load<i32>(words, 4)) << 2;
    second -= <usize>(size * load<i32>(words, 8)) << 2;
  }
  store<usize>(walk, first);
  store<usize>(walk, second, 4);
}

/** The tile's first row. */
@inline
export function tileRow(args: usize, tile: i32): i32 {
  return (tile / load<i32>(args, 12)) * load<i32>(args, 8);
}

/** Number of rows of a tile that starts at `row`. */
@inline
export function tileRows(args: usize, row: i32): i32 {
  return min(load<i32>(args, 8), load<i32>(args) - row);
}

/** First column of a tile. */
@inline
export function tileColumn(args: usize, tile: i32): i32 {
  return (tile % load<i32>(args, 12)) * load<i32>(args, 16);
}

/** Number of columns of a tile that starts at `column`. */
@inline
export function tileColumns(args: usize, column: i32): i32 {
  return min(load<i32>(args, 16), load<i32>(args, 4) - column);
}
