/** Copies: between strided boxes, row by row or as a blocked transposition where the innermost axes are swapped. */
import { COPY_TILE_BYTES } from '../constants';
import {
  COPY_BYTES,
  COPY_ROWS,
  COPY_TRANSPOSED,
  CopyBytesWords,
  CopyRowsWords,
  CopyTransposedWords,
} from '../generated/commands';
import { loadTail, storeTail } from './simd';
import { boxColumn, boxColumns, boxRow, boxRows, startWalk, stepWalk } from './tiles';

/** Runs tile `tile` of a command of this family. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  switch (opcode) {
    case COPY_ROWS:
      copyRows(changetype<CopyRowsWords>(args), tile, scratch);
      break;
    case COPY_TRANSPOSED:
      copyTransposed(changetype<CopyTransposedWords>(args), tile, scratch);
      break;
    case COPY_BYTES:
      copyBytes(changetype<CopyBytesWords>(args), tile);
      break;
    default:
      unreachable();
  }
}

function copyBytes(words: CopyBytesWords, tile: i32): void {
  const from = <usize>tile * COPY_TILE_BYTES;
  const bytes = words.bytes - from;
  memory.copy(words.out + from, words.x + from, min<usize>(bytes, COPY_TILE_BYTES));
}

function copyRows(words: CopyRowsWords, tile: i32, walk: usize): void {
  const row = boxRow(words, tile);
  const column = boxColumn(words, tile);
  const rows = boxRows(words, row);
  const columns = boxColumns(words, column);
  const xStride = words.xStride;
  const outStride = words.outStride;
  const x = words.x + (<usize>(column * xStride) << 2);
  const out = words.out + (<usize>(column * outStride) << 2);
  const axes = changetype<usize>(words) + offsetof<CopyRowsWords>('axes');
  const bytes = (<usize>columns >> 2) << 4;
  const rest = columns & 3;
  startWalk(axes, row, walk);
  for (let r = 0; r < rows; r++) {
    const from = x + load<usize>(walk);
    const to = out + load<usize>(walk, 4);
    if (outStride == 1 && xStride == 1) {
      for (let i: usize = 0; i < bytes; i += 16) v128.store(to + i, v128.load(from + i));
      if (rest) storeTail(to + bytes, loadTail(from + bytes, rest, i32x4.splat(0)), rest);
    } else if (outStride == 1 && xStride == 0) {
      const value = v128.load32_splat(from);
      for (let i: usize = 0; i < bytes; i += 16) v128.store(to + i, value);
      if (rest) storeTail(to + bytes, value, rest);
    } else {
      const xStep = <usize>xStride << 2;
      const outStep = <usize>outStride << 2;
      let p = from;
      let q = to;
      for (let i = 0; i < columns; i++) {
        store<i32>(q, load<i32>(p));
        p += xStep;
        q += outStep;
      }
    }
    stepWalk(axes, walk);
  }
}

/** Bytes between the rows of a staged block: not a power of two, so that its columns lie in different cache sets. */
const STAGE_STRIDE: usize = 272;

/**
 * A block of a matrix transposition, `out[i, j] = x[j, i]`, of at most 64 x 64: transposed in squares of 4 x 4 into
 * scratch memory, then copied out, so that both buffers are touched in whole cache lines.
 */
function copyTransposed(words: CopyTransposedWords, tile: i32, scratch: usize): void {
  const blockRows = words.blockRows;
  const blockColumns = words.blockColumns;
  const block = tile % (blockRows * blockColumns);
  const axes = changetype<usize>(words) + offsetof<CopyTransposedWords>('axes');
  startWalk(axes, tile / (blockRows * blockColumns), scratch);
  const i = (block / blockColumns) << 6;
  const j = (block % blockColumns) << 6;
  const height = min(64, words.height - i);
  const width = min(64, words.width - j);
  const xStep = <usize>words.xStride << 2;
  const outStep = <usize>words.outStride << 2;
  const x = words.x + load<usize>(scratch) + (<usize>i << 2) + <usize>j * xStep;
  const out = words.out + load<usize>(scratch, 4) + (<usize>j << 2) + <usize>i * outStep;
  const stage = scratch + 256;

  const fullHeight = height & ~3;
  const fullWidth = width & ~3;
  for (let column = 0; column < fullWidth; column += 4) {
    const from = x + <usize>column * xStep;
    const to = stage + (<usize>column << 2);
    for (let row = 0; row < fullHeight; row += 4) {
      transpose4(from + (<usize>row << 2), xStep, to + <usize>row * STAGE_STRIDE);
    }
    stageRest(x, xStep, stage, fullHeight, height, column, column + 4);
  }
  stageRest(x, xStep, stage, 0, height, fullWidth, width);

  const bytes = <usize>fullWidth << 2;
  for (let row = 0; row < height; row++) {
    const from = stage + <usize>row * STAGE_STRIDE;
    const to = out + <usize>row * outStep;
    for (let k: usize = 0; k < bytes; k += 16) v128.store(to + k, v128.load(from + k));
    if (width & 3) storeTail(to + bytes, v128.load(from + bytes), width & 3);
  }
}

/** Transposes the square of 4 x 4 at `x` into the staged block. */
@inline
function transpose4(x: usize, xStep: usize, to: usize): void {
  const a = v128.load(x);
  const b = v128.load(x + xStep);
  const c = v128.load(x + 2 * xStep);
  const d = v128.load(x + 3 * xStep);
  const abLow = i32x4.shuffle(a, b, 0, 4, 1, 5);
  const abHigh = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cdLow = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const cdHigh = i32x4.shuffle(c, d, 2, 6, 3, 7);
  v128.store(to, i32x4.shuffle(abLow, cdLow, 0, 1, 4, 5));
  v128.store(to + STAGE_STRIDE, i32x4.shuffle(abLow, cdLow, 2, 3, 6, 7));
  v128.store(to + 2 * STAGE_STRIDE, i32x4.shuffle(abHigh, cdHigh, 0, 1, 4, 5));
  v128.store(to + 3 * STAGE_STRIDE, i32x4.shuffle(abHigh, cdHigh, 2, 3, 6, 7));
}

/** Transposes one by one what is left of a block beside its squares. */
function stageRest(
  x: usize,
  xStep: usize,
  stage: usize,
  rowBegin: i32,
  rowEnd: i32,
  columnBegin: i32,
  columnEnd: i32,
): void {
  for (let column = columnBegin; column < columnEnd; column++) {
    for (let row = rowBegin; row < rowEnd; row++) {
      const value = load<i32>(x + (<usize>row << 2) + <usize>column * xStep);
      store<i32>(stage + (<usize>column << 2) + <usize>row * STAGE_STRIDE, value);
    }
  }
}
