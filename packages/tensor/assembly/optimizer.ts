/** AdamW over all parameters in one command. */
import { ADAM_W } from '../src/devices/wasm/opcodes';
import { loadTail, madd, storeTail } from './simd';

/**
 * Bytes of a segment in the table: parameter, gradient, firstMoment, secondMoment, count, `1 - lr * weightDecay`, first
 * tile.
 */
const SEGMENT_BYTES = 28;

/** Runs tile `tile` of kernel `kernel` of this family. */
export function run(kernel: i32, args: usize, tile: i32, scratch: usize): void {
  if (kernel != (ADAM_W & 255)) unreachable();
  adamW(args, tile);
}

/**
 * table, segments, elements a tile, gradientScale (or 0), beta1, 1 - beta1, beta2, 1 - beta2, 1 / c2, lr / c1, epsilon
 */
function adamW(args: usize, tile: i32): void {
  const table = load<usize>(args);
  const elementsPerTile = load<i32>(args, 8);
  const gradientScale = load<usize>(args, 12);

  // The last segment that begins at or before this tile.
  let low = 0;
  let high = load<i32>(args, 4) - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (load<i32>(table + <usize>middle * SEGMENT_BYTES, 24) <= tile) low = middle;
    else high = middle - 1;
  }
  const segment = table + <usize>low * SEGMENT_BYTES;
  const first = (tile - load<i32>(segment, 24)) * elementsPerTile;
  const count = min(elementsPerTile, load<i32>(segment, 16) - first);
  const offset = (<usize>first) << 2;
  let parameter = load<usize>(segment) + offset;
  let gradient = load<usize>(segment, 4) + offset;
  let firstMoment = load<usize>(segment, 8) + offset;
  let secondMoment = load<usize>(segment, 12) + offset;

  const decay = v128.load32_splat(segment, 20);
  const scale = gradientScale == 0 ? f32x4.splat(1) : v128.load32_splat(gradientScale);
  const beta1 = v128.load32_splat(args, 16);
  const rest1 = v128.load32_splat(args, 20);
  const beta2 = v128.load32_splat(args, 24);
  const rest2 = v128.load32_splat(args, 28);
  const correction2 = v128.load32_splat(args, 32);
  const stepSize = v128.load32_splat(args, 36);
  const epsilon = v128.load32_splat(args, 40);

  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const g = f32x4.mul(v128.load(gradient), scale);
    const m = madd(beta1, v128.load(firstMoment), f32x4.mul(rest1, g));
    const v = madd(beta2, v128.load(secondMoment), f32x4.mul(f32x4.mul(rest2, g), g));
    const update = f32x4.div(f32x4.mul(stepSize, m), f32x4.add(f32x4.sqrt(f32x4.mul(v, correction2)), epsilon));
    v128.store(firstMoment, m);
    v128.store(secondMoment, v);
    v128.store(parameter, f32x4.sub(f32x4.mul(v128.load(parameter), decay), update));
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
    storeTail(parameter, f32x4.sub(f32x4.mul(loadTail(parameter, rest, zero), decay), update), rest);
  }
}
