/** Selection along rows: the k largest (topk-select.ts), and elements taken and put by index. */
import {
  SCATTER_ALONG_ROWS,
  ScatterAlongRowsWords,
  TAKE_ALONG_ROWS,
  TakeAlongRowsWords,
  TOP_K,
  TopKWords,
} from '../generated/commands';
import { checkIndex } from './faults';
import { storeTail } from './simd';
import { topK } from './topk-select';

/** Runs tile `tile` of a command of this family. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  switch (opcode) {
    case TOP_K:
      topK(changetype<TopKWords>(args), tile, scratch);
      break;
    case TAKE_ALONG_ROWS:
      takeAlongRows(changetype<TakeAlongRowsWords>(args), tile);
      break;
    case SCATTER_ALONG_ROWS:
      scatterAlongRows(changetype<ScatterAlongRowsWords>(args), tile);
      break;
    default:
      unreachable();
  }
}

function takeAlongRows(words: TakeAlongRowsWords, tile: i32): void {
  const columns = words.columns;
  const k = words.k;
  const rowsPerTile = words.rowsPerTile;
  const end = min(words.rows, (tile + 1) * rowsPerTile);
  let place = (<usize>(tile * rowsPerTile) * <usize>k) << 2;
  for (let row = tile * rowsPerTile; row < end; row++) {
    const x = words.x + ((<usize>row * <usize>columns) << 2);
    for (let j = 0; j < k; j++) {
      const index = load<u32>(words.indices + place);
      checkIndex(index, columns);
      store<u32>(words.out + place, load<u32>(x + (index << 2)));
      place += 4;
    }
  }
}

function scatterAlongRows(words: ScatterAlongRowsWords, tile: i32): void {
  const columns = words.columns;
  const k = words.k;
  const rowsPerTile = words.rowsPerTile;
  const fill = f32x4.splat(words.fill);
  const accumulate = words.accumulate != 0;
  const first = tile * rowsPerTile;
  const end = min(words.rows, first + rowsPerTile);
  let to = words.out + ((<usize>first * <usize>columns) << 2);
  const stop = words.out + ((<usize>end * <usize>columns) << 2);
  while (to + 16 <= stop) {
    v128.store(to, fill);
    to += 16;
  }
  if (to < stop) storeTail(to, fill, <i32>((stop - to) >> 2));
  let place = (<usize>first * <usize>k) << 2;
  for (let row = first; row < end; row++) {
    const out = words.out + ((<usize>row * <usize>columns) << 2);
    for (let j = 0; j < k; j++) {
      const index = load<u32>(words.indices + place);
      checkIndex(index, columns);
      const at = out + (index << 2);
      if (accumulate) store<f32>(at, load<f32>(at) + load<f32>(words.x + place));
      else store<u32>(at, load<u32>(words.x + place));
      place += 4;
    }
  }
}
