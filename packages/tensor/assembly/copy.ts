/** Copies between strided boxes: row by row, or as a blocked transposition where the innermost axes are swapped. */
import { startWalk, stepWalk, tileColumn, tileColumns, tileRow, tileRows } from './chunks';
import { loadTail, storeTail } from './simd';

/** Words: 5 x, 6 out, 7 inner stride of x, 8 of out, 9 outer axes. */
export function copyRows(args: usize, tile: i32, walk: usize): void {
  const row = tileRow(args, tile);
  const column = tileColumn(args, tile);
  const rows = tileRows(args, row);
  const columns = tileColumns(args, column);
  const xStride = load<i32>(args, 28);
  const outStride = load<i32>(args, 32);
  const x = load<usize>(args, 20) + (<usize>(column * xStride) << 2);
  const out = load<usize>(args, 24) + (<usize>(column * outStride) << 2);
  const axes = args + 36;
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

/**
 * A block of a matrix transposition: `out[i, j] = x[j, i]`, in squares of 4 x 4. Words: 0 x, 1 out, 2 height (of i), 3 width (of j), 4 stride
 * of j in x, 5 stride of i in out, 6 elements of a block's side, 7 blocks along i, 8 along j, 9 outer axes.
 */
export function copyTransposed(args: usize, tile: i32, walk: usize): void {
  const side = load<i32>(args, 24);
  const blockRows = load<i32>(args, 28);
  const blockColumns = load<i32>(args, 32);
  const square = tile % (blockRows * blockColumns);
  startWalk(args + 36, tile / (blockRows * blockColumns), walk);
  const iBegin = (square / blockColumns) * side;
  const jBegin = (square % blockColumns) * side;
  const iEnd = min(iBegin + side, load<i32>(args, 8));
  const jEnd = min(jBegin + side, load<i32>(args, 12));
  const xStep = <usize>load<i32>(args, 16) << 2;
  const outStep = <usize>load<i32>(args, 20) << 2;
  const x = load<usize>(args) + load<usize>(walk);
  const out = load<usize>(args, 4) + load<usize>(walk, 4);
  const iFull = iBegin + ((iEnd - iBegin) & ~3);
  const jFull = jBegin + ((jEnd - jBegin) & ~3);
  for (let i = iBegin; i < iFull; i += 4) {
    for (let j = jBegin; j < jFull; j += 4) {
      const from = x + (<usize>i << 2) + <usize>j * xStep;
      const to = out + (<usize>j << 2) + <usize>i * outStep;
      const a = v128.load(from);
      const b = v128.load(from + xStep);
      const c = v128.load(from + 2 * xStep);
      const d = v128.load(from + 3 * xStep);
      const abLow = i32x4.shuffle(a, b, 0, 4, 1, 5);
      const abHigh = i32x4.shuffle(a, b, 2, 6, 3, 7);
      const cdLow = i32x4.shuffle(c, d, 0, 4, 1, 5);
      const cdHigh = i32x4.shuffle(c, d, 2, 6, 3, 7);
      v128.store(to, i32x4.shuffle(abLow, cdLow, 0, 1, 4, 5));
      v128.store(to + outStep, i32x4.shuffle(abLow, cdLow, 2, 3, 6, 7));
      v128.store(to + 2 * outStep, i32x4.shuffle(abHigh, cdHigh, 0, 1, 4, 5));
      v128.store(to + 3 * outStep, i32x4.shuffle(abHigh, cdHigh, 2, 3, 6, 7));
    }
    copyCorner(x, out, i, i + 4, jFull, jEnd, xStep, outStep);
  }
  copyCorner(x, out, iFull, iEnd, jBegin, jEnd, xStep, outStep);
}

/** Transposes one by one what is left of a block beside its squares. */
function copyCorner(
  x: usize,
  out: usize,
  iBegin: i32,
  iEnd: i32,
  jBegin: i32,
  jEnd: i32,
  xStep: usize,
  outStep: usize,
): void {
  for (let i = iBegin; i < iEnd; i++) {
    for (let j = jBegin; j < jEnd; j++) {
      store<i32>(out + (<usize>j << 2) + <usize>i * outStep, load<i32>(x + (<usize>i << 2) + <usize>j * xStep));
    }
  }
}
