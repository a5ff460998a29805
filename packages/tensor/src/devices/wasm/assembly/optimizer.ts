/** AdamW over all parameters in one command. */
import { ADAM_W, AdamWSegment, AdamWWords } from '../generated/commands';
import { loadTail, madd, storeTail } from './simd';

/** Runs tile `tile` of a command of this family. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  if (opcode != ADAM_W) unreachable();
  adamW(changetype<AdamWWords>(args), tile);
}

@inline
function segmentAt(table: usize, place: i32): AdamWSegment {
  return changetype<AdamWSegment>(table + <usize>place * offsetof<AdamWSegment>());
}

function adamW(words: AdamWWords, tile: i32): void {
  const table = words.table;
  const elementsPerTile = words.elementsPerTile;
  const gradientScale = words.gradientScale;

  // The last segment that begins at or before this tile.
  let low = 0;
  let high = words.segments - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (segmentAt(table, middle).firstTile <= tile) low = middle;
    else high = middle - 1;
  }
  const segment = segmentAt(table, low);
  const first = (tile - segment.firstTile) * elementsPerTile;
  const count = min(elementsPerTile, segment.count - first);
  const offset = (<usize>first) << 2;
  let parameter = segment.parameter + offset;
  let gradient = segment.gradient + offset;
  let firstMoment = segment.firstMoment + offset;
  let secondMoment = segment.secondMoment + offset;

  const kept = f32x4.splat(segment.kept);
  const scale = gradientScale == 0 ? f32x4.splat(1) : v128.load32_splat(gradientScale);
  const beta1 = f32x4.splat(words.beta1);
  const rest1 = f32x4.splat(words.rest1);
  const beta2 = f32x4.splat(words.beta2);
  const rest2 = f32x4.splat(words.rest2);
  const correction2 = f32x4.splat(words.correction2);
  const stepSize = f32x4.splat(words.stepSize);
  const epsilon = f32x4.splat(words.epsilon);

  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const g = f32x4.mul(v128.load(gradient), scale);
    const m = madd(beta1, v128.load(firstMoment), f32x4.mul(rest1, g));
    const v = madd(beta2, v128.load(secondMoment), f32x4.mul(f32x4.mul(rest2, g), g));
    const update = f32x4.div(f32x4.mul(stepSize, m), f32x4.add(f32x4.sqrt(f32x4.mul(v, correction2)), epsilon));
    v128.store(firstMoment, m);
    v128.store(secondMoment, v);
    v128.store(parameter, f32x4.sub(f32x4.mul(v128.load(parameter), kept), update));
    parameter += 16;
    gradient += 16;
    firstMoment += 16;
    secondMoment += 16;
  }
  const rest = count - i;
  if (rest > 0) {
    const zero = f32x4.splat(0);
    const g = f32x4.mul(loadTail(gradient, rest, zero), scale);
    const m = madd(beta1, loadTail(firstMoment, rest, zero), f32x4.mul(rest1, g));
    const v = madd(beta2, loadTail(secondMoment, rest, zero), f32x4.mul(f32x4.mul(rest2, g), g));
    const update = f32x4.div(f32x4.mul(stepSize, m), f32x4.add(f32x4.sqrt(f32x4.mul(v, correction2)), epsilon));
    storeTail(firstMoment, m, rest);
    storeTail(secondMoment, v, rest);
    storeTail(parameter, f32x4.sub(f32x4.mul(loadTail(parameter, rest, zero), kept), update), rest);
  }
}
