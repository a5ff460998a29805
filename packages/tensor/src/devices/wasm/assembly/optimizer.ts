/** AdamW over all parameters in one command, with moments of f32, or of bfloat16 packed into words. */
import { ADAM_W, AdamWSegment, AdamWWords } from '../generated/commands';
import { fullBytes, madd } from './simd';

/** Runs tile `tile` of a command of this family. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  if (opcode != ADAM_W) unreachable();
  const words = changetype<AdamWWords>(args);
  if (words.packed) adamW<u32>(words, tile, scratch);
  else adamW<f32>(words, tile, scratch);
}

/** The last segment that begins at or before a tile. */
@inline
function segmentOf(words: AdamWWords, tile: i32): AdamWSegment {
  let low = 0;
  let high = words.segments - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (segmentAt(words.table, middle).firstTile <= tile) low = middle;
    else high = middle - 1;
  }
  return segmentAt(words.table, low);
}

@inline
function segmentAt(table: usize, place: i32): AdamWSegment {
  return changetype<AdamWSegment>(table + <usize>place * offsetof<AdamWSegment>());
}

/** As in packed-moments.ts. */
const GOLDEN: u32 = 0x9e3779b9;

/** M is what a moment is kept as: f32, or u32 for a word of both. */
function adamW<M>(words: AdamWWords, tile: i32, scratch: usize): void {
  const segment = segmentOf(words, tile);
  const first = (tile - segment.firstTile) * words.elementsPerTile;
  const count = min(words.elementsPerTile, segment.count - first);
  const offset = (<usize>first) << 2;
  const parameter = segment.parameter + offset;
  const gradient = segment.gradient + offset;
  const firstMoment = segment.firstMoment + offset;
  const secondMoment = segment.secondMoment + offset;
  const random = segment.random + first * GOLDEN;
  const kept = segment.kept;
  const full = fullBytes(count);
  vectors<M>(words, kept, random, parameter, gradient, firstMoment, secondMoment, full);
  const rest = (<usize>(count & 3)) << 2;
  if (rest == 0) return;
  memory.copy(scratch, parameter + full, rest);
  memory.copy(scratch + 16, gradient + full, rest);
  memory.copy(scratch + 32, firstMoment + full, rest);
  if (isFloat<M>()) memory.copy(scratch + 48, secondMoment + full, rest);
  const next = random + (count & ~3) * GOLDEN;
  vectors<M>(words, kept, next, scratch, scratch + 16, scratch + 32, scratch + 48, 16);
  memory.copy(parameter + full, scratch, rest);
  memory.copy(firstMoment + full, scratch + 32, rest);
  if (isFloat<M>()) memory.copy(secondMoment + full, scratch + 48, rest);
}

/** @param start the random bits of the first element; each next one's are GOLDEN more */
function vectors<M>(
  words: AdamWWords,
  kept: f32,
  start: u32,
  parameter: usize,
  gradient: usize,
  firstMoment: usize,
  secondMoment: usize,
  bytes: usize,
): void {
  // Read once: what the loop stores might be words, for all that the compiler knows.
  const keep = f32x4.splat(kept);
  const scale = words.gradientScale == 0 ? f32x4.splat(1) : v128.load32_splat(words.gradientScale);
  const beta1 = f32x4.splat(words.beta1);
  const rest1 = f32x4.splat(words.rest1);
  const beta2 = f32x4.splat(words.beta2);
  const rest2 = f32x4.splat(words.rest2);
  const correction2 = f32x4.splat(words.correction2);
  const stepSize = f32x4.splat(words.stepSize);
  const epsilon = f32x4.splat(words.epsilon);
  const golden = i32x4.splat(GOLDEN);
  const ahead = i32x4.shl(golden, 2);
  const high = i32x4.splat(0xffff0000);
  let random = i32x4.add(i32x4.splat(start), i32x4.mul(i32x4(0, 1, 2, 3), golden));
  const end = parameter + bytes;
  while (parameter < end) {
    let m = v128.load(firstMoment);
    let v: v128;
    if (isFloat<M>()) {
      v = v128.load(secondMoment);
    } else {
      v = v128.and(m, high);
      m = i32x4.shl(m, 16);
    }
    const g = f32x4.mul(v128.load(gradient), scale);
    m = madd(beta1, m, f32x4.mul(rest1, g));
    v = madd(beta2, v, f32x4.mul(f32x4.mul(rest2, g), g));
    if (isFloat<M>()) {
      v128.store(firstMoment, m);
      v128.store(secondMoment, v);
      secondMoment += 16;
    } else {
      const firsts = i32x4.shr_u(i32x4.add(m, v128.andnot(random, high)), 16);
      const seconds = v128.and(i32x4.add(v, i32x4.shr_u(random, 16)), high);
      v128.store(firstMoment, v128.or(firsts, seconds));
      random = i32x4.add(random, ahead);
    }
    const update = f32x4.div(f32x4.mul(stepSize, m), f32x4.add(f32x4.sqrt(f32x4.mul(v, correction2)), epsilon));
    v128.store(parameter, f32x4.sub(f32x4.mul(v128.load(parameter), keep), update));
    parameter += 16;
    gradient += 16;
    firstMoment += 16;
  }
}
