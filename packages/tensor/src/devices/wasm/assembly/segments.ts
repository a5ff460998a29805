/** Sorting keys into segments, and sums over the rows of a segment. */
import {
  SEGMENT_PLAN,
  SEGMENT_SUM,
  SegmentPlanWords,
  SegmentSumWords,
} from '../generated/commands';
import { checkIndex } from './faults';

/** Runs tile `tile` of a command of this family. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  switch (opcode) {
    case SEGMENT_PLAN:
      segmentPlan(changetype<SegmentPlanWords>(args));
      break;
    case SEGMENT_SUM:
      segmentSum(changetype<SegmentSumWords>(args), tile);
      break;
    default:
      unreachable();
  }
}

function segmentPlan(words: SegmentPlanWords): void {
  const keys = words.keys;
  const counts = words.counts;
  const offsets = words.offsets;
  const order = words.order;
  const inverse = words.inverse;
  const count = (<usize>words.count) << 2;
  const segments = words.segments;

  memory.fill(counts, 0, (<usize>segments) << 2);
  for (let i: usize = 0; i < count; i += 4) {
    const key = load<u32>(keys + i);
    checkIndex(key, segments);
    const at = counts + (key << 2);
    store<i32>(at, load<i32>(at) + 1);
  }

  // offsets[s + 1] first holds the begin of segment s; placing its keys moves it to the segment's end.
  store<i32>(offsets, 0);
  const next = offsets + 4;
  let begin = 0;
  for (let s: usize = 0; s < (<usize>segments) << 2; s += 4) {
    store<i32>(next + s, begin);
    begin += load<i32>(counts + s);
  }
  for (let i: usize = 0; i < count; i += 4) {
    const at = next + (load<usize>(keys + i) << 2);
    const place = load<i32>(at);
    store<i32>(at, place + 1);
    store<i32>(order + ((<usize>place) << 2), <i32>(i >> 2));
    store<i32>(inverse + i, place);
  }
}

function segmentSum(words: SegmentSumWords, tile: i32): void {
  const x = words.x;
  const order = words.order;
  const offsets = words.offsets;
  const out = words.out;
  const segments = words.segments;
  const columns = words.columns;
  const divisor = words.divisor;
  const segmentsPerTile = words.segmentsPerTile;
  const columnsPerTile = words.columnsPerTile;
  const height = words.height;
  const places = words.places + 1;
  const columnTiles = (columns + columnsPerTile - 1) / columnsPerTile;
  const firstColumn = (tile % columnTiles) * columnsPerTile;
  const width = min(columnsPerTile, columns - firstColumn);
  const firstSegment = (tile / columnTiles) * segmentsPerTile;
  const endSegment = min(segments, firstSegment + segmentsPerTile);
  const rowBytes = (<usize>columns) << 2;
  const block = x + ((<usize>firstColumn) << 2);

  const begin = load<usize>(offsets + ((<usize>firstSegment) << 2));
  checkIndex(begin, places);
  let p = order + (begin << 2);
  for (let segment = firstSegment; segment < endSegment; segment++) {
    const to = out + <usize>segment * rowBytes + ((<usize>firstColumn) << 2);
    const last = load<usize>(offsets + ((<usize>segment) << 2), 4);
    checkIndex(last, places);
    const end = order + (last << 2);
    memory.fill(to, 0, (<usize>width) << 2);
    for (; p + 16 <= end; p += 16) {
      addFourRows(
        to,
        block + rowOf(p, divisor, height) * rowBytes,
        block + rowOf(p + 4, divisor, height) * rowBytes,
        block + rowOf(p + 8, divisor, height) * rowBytes,
        block + rowOf(p + 12, divisor, height) * rowBytes,
        width,
      );
    }
    for (; p < end; p += 4) addRow(to, block + rowOf(p, divisor, height) * rowBytes, width);
  }
}

/** The row that a place of the order names. */
@inline
function rowOf(place: usize, divisor: usize, height: u32): usize {
  const row = load<usize>(place) / divisor;
  checkIndex(row, height);
  return row;
}

function addRow(to: usize, from: usize, width: i32): void {
  let column = 0;
  for (; column + 4 <= width; column += 4) {
    v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
    to += 16;
    from += 16;
  }
  for (; column < width; column++) {
    store<f32>(to, load<f32>(to) + load<f32>(from));
    to += 4;
    from += 4;
  }
}

/** Adds `(a + b) + (c + d)`: one pass over `to` for four rows. */
function addFourRows(to: usize, a: usize, b: usize, c: usize, d: usize, width: i32): void {
  let column = 0;
  let at: usize = 0;
  for (; column + 4 <= width; column += 4) {
    const four = f32x4.add(
      f32x4.add(v128.load(a + at), v128.load(b + at)),
      f32x4.add(v128.load(c + at), v128.load(d + at)),
    );
    v128.store(to + at, f32x4.add(v128.load(to + at), four));
    at += 16;
  }
  for (; column < width; column++) {
    const four = load<f32>(a + at) + load<f32>(b + at) + (load<f32>(c + at) + load<f32>(d + at));
    store<f32>(to + at, load<f32>(to + at) + four);
    at += 4;
  }
}
