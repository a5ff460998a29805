/**
 * RMSNorm and LayerNorm. Backwards sum the gradients of the weights over the rows of a tile into a row of partial sums,
 * which a reduction combines.
 */
import {
  LAYER_NORM,
  LAYER_NORM_BACKWARD,
  LayerNormBackwardWords,
  LayerNormWords,
  RMS_NORM,
  RMS_NORM_BACKWARD,
  RmsNormBackwardWords,
  RmsNormWords,
} from '../generated/commands';
import { sumRow, sumSquaresRow } from './reduce-row';
import { fullBytes, loadPart, loadTail, madd, nmadd, storePart, storeTail, sumLanes, tailMask } from './simd';
import { endRow, firstRow } from './tiles';

/** Runs tile `tile` of a command of this family. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  switch (opcode) {
    case RMS_NORM:
      rmsNorm(changetype<RmsNormWords>(args), tile);
      break;
    case RMS_NORM_BACKWARD:
      rmsNormBackward(changetype<RmsNormBackwardWords>(args), tile);
      break;
    case LAYER_NORM:
      layerNorm(changetype<LayerNormWords>(args), tile);
      break;
    case LAYER_NORM_BACKWARD:
      layerNormBackward(changetype<LayerNormBackwardWords>(args), tile);
      break;
    default:
      unreachable();
  }
}

function rmsNorm(words: RmsNormWords, tile: i32): void {
  const begin = firstRow(words, tile);
  const end = endRow(words, begin);
  const columns = words.columns;
  const weight = words.weight;
  const inverseRms = words.inverseRms;
  const epsilon = <f64>words.epsilon;
  const share = 1.0 / <f64>columns;
  const rowBytes = <usize>columns << 2;
  const bytes = fullBytes(columns);
  const rest = columns & 3;
  for (let row = begin; row < end; row++) {
    const x = words.x + <usize>row * rowBytes;
    const out = words.out + <usize>row * rowBytes;
    const inverse = <f32>(1.0 / sqrt(sumSquaresRow(x, columns) * share + epsilon));
    store<f32>(inverseRms + (<usize>row << 2), inverse);
    const scale = f32x4.splat(inverse);
    let i: usize = 0;
    for (; i + 32 <= bytes; i += 32) {
      v128.store(out + i, f32x4.mul(v128.load(weight + i), f32x4.mul(v128.load(x + i), scale)));
      v128.store(out + i, f32x4.mul(v128.load(weight + i, 16), f32x4.mul(v128.load(x + i, 16), scale)), 16);
    }
    if (i < bytes) {
      v128.store(out + i, f32x4.mul(v128.load(weight + i), f32x4.mul(v128.load(x + i), scale)));
      i += 16;
    }
    if (rest) {
      storeTail(out + i, f32x4.mul(loadPart(weight + i, rest), f32x4.mul(loadPart(x + i, rest), scale)), rest);
    }
  }
}

/** Sets a row of partial sums to zero. */
@inline
function clearRow(p: usize, columns: i32): void {
  memory.fill(p, 0, <usize>columns << 2);
}

/**
 * With n = x * inverseRms: gradX = inverseRms * (gradient * weight - n * mean(gradient * weight * n)); partial = sum of
 * gradient * n.
 */
function rmsNormBackward(words: RmsNormBackwardWords, tile: i32): void {
  const begin = firstRow(words, tile);
  const end = endRow(words, begin);
  const columns = words.columns;
  const weight = words.weight;
  const share = 1.0 / <f64>columns;
  const rowBytes = <usize>columns << 2;
  const partial = words.partialWeight + <usize>tile * rowBytes;
  const bytes = fullBytes(columns);
  const rest = columns & 3;
  clearRow(partial, columns);
  for (let row = begin; row < end; row++) {
    const offset = <usize>row * rowBytes;
    const x = words.x + offset;
    const gradient = words.gradient + offset;
    const gradX = words.gradX + offset;
    const inverse = load<f32>(words.inverseRms + (<usize>row << 2));
    let a = f32x4.splat(0);
    let b = a;
    let i: usize = 0;
    for (; i + 32 <= bytes; i += 32) {
      a = madd(f32x4.mul(v128.load(gradient + i), v128.load(weight + i)), v128.load(x + i), a);
      b = madd(f32x4.mul(v128.load(gradient + i, 16), v128.load(weight + i, 16)), v128.load(x + i, 16), b);
    }
    if (i < bytes) {
      a = madd(f32x4.mul(v128.load(gradient + i), v128.load(weight + i)), v128.load(x + i), a);
      i += 16;
    }
    if (rest) b = madd(f32x4.mul(loadPart(gradient + i, rest), loadPart(weight + i, rest)), loadPart(x + i, rest), b);
    const mean = <f32>(<f64>sumLanes(f32x4.add(a, b)) * <f64>inverse * share);
    const scale = f32x4.splat(inverse);
    const pull = f32x4.splat(mean);
    for (i = 0; i < bytes; i += 16) rmsNormGradient(x + i, weight + i, gradient + i, gradX + i, partial + i, scale, pull, 0);
    if (rest) rmsNormGradient(x + i, weight + i, gradient + i, gradX + i, partial + i, scale, pull, rest);
  }
}

@inline
function rmsNormGradient(
  x: usize,
  weight: usize,
  gradient: usize,
  gradX: usize,
  partial: usize,
  scale: v128,
  pull: v128,
  rest: i32,
): void {
  const normal = f32x4.mul(loadPart(x, rest), scale);
  const g = loadPart(gradient, rest);
  const inside = nmadd(normal, pull, f32x4.mul(g, loadPart(weight, rest)));
  storePart(gradX, f32x4.mul(scale, inside), rest);
  storePart(partial, madd(g, normal, loadPart(partial, rest)), rest);
}

function layerNorm(words: LayerNormWords, tile: i32): void {
  const begin = firstRow(words, tile);
  const end = endRow(words, begin);
  const columns = words.columns;
  const weight = words.weight;
  const bias = words.bias;
  const epsilon = <f64>words.epsilon;
  const share = 1.0 / <f64>columns;
  const rowBytes = <usize>columns << 2;
  const bytes = fullBytes(columns);
  const rest = columns & 3;
  const zero = f32x4.splat(0);
  for (let row = begin; row < end; row++) {
    const x = words.x + <usize>row * rowBytes;
    const out = words.out + <usize>row * rowBytes;
    const mean = <f32>(sumRow(x, columns) * share);
    const center = f32x4.splat(mean);
    let a = zero;
    let b = zero;
    let i: usize = 0;
    for (; i + 32 <= bytes; i += 32) {
      const first = f32x4.sub(v128.load(x + i), center);
      const second = f32x4.sub(v128.load(x + i, 16), center);
      a = madd(first, first, a);
      b = madd(second, second, b);
    }
    if (i < bytes) {
      const deviation = f32x4.sub(v128.load(x + i), center);
      a = madd(deviation, deviation, a);
    }
    if (rest) {
      const deviation = f32x4.sub(loadTail(x + bytes, rest, center), center);
      b = madd(v128.and(deviation, tailMask(rest)), deviation, b);
    }
    const variance = <f64>sumLanes(f32x4.add(a, b)) * share;
    const inverse = <f32>(1.0 / sqrt(variance + epsilon));
    store<f32>(words.mean + (<usize>row << 2), mean);
    store<f32>(words.inverseStd + (<usize>row << 2), inverse);
    const scale = f32x4.splat(inverse);
    for (i = 0; i < bytes; i += 16) {
      const normal = f32x4.mul(f32x4.sub(v128.load(x + i), center), scale);
      v128.store(out + i, madd(v128.load(weight + i), normal, v128.load(bias + i)));
    }
    if (rest) {
      const normal = f32x4.mul(f32x4.sub(loadTail(x + i, rest, zero), center), scale);
      storeTail(out + i, madd(loadTail(weight + i, rest, zero), normal, loadTail(bias + i, rest, zero)), rest);
    }
  }
}

/**
 * With n = (x - mean) * inverseStd and h = gradient * weight: gradX = inverseStd * (h - mean(h) - n * mean(h * n)); the
 * partial sums are of gradient * n and of gradient.
 */
function layerNormBackward(words: LayerNormBackwardWords, tile: i32): void {
  const begin = firstRow(words, tile);
  const end = endRow(words, begin);
  const columns = words.columns;
  const weight = words.weight;
  const share = 1.0 / <f64>columns;
  const rowBytes = <usize>columns << 2;
  const partialWeight = words.partialWeight + <usize>tile * rowBytes;
  const partialBias = words.partialBias + <usize>tile * rowBytes;
  const bytes = fullBytes(columns);
  const rest = columns & 3;
  clearRow(partialWeight, columns);
  clearRow(partialBias, columns);
  for (let row = begin; row < end; row++) {
    const offset = <usize>row * rowBytes;
    const x = words.x + offset;
    const gradient = words.gradient + offset;
    const gradX = words.gradX + offset;
    const center = v128.load32_splat(words.mean + (<usize>row << 2));
    const scale = v128.load32_splat(words.inverseStd + (<usize>row << 2));
    let sumA = f32x4.splat(0);
    let sumB = sumA;
    let productA = sumA;
    let productB = sumA;
    let i: usize = 0;
    for (; i + 32 <= bytes; i += 32) {
      const first = f32x4.mul(v128.load(gradient + i), v128.load(weight + i));
      const second = f32x4.mul(v128.load(gradient + i, 16), v128.load(weight + i, 16));
      sumA = f32x4.add(sumA, first);
      sumB = f32x4.add(sumB, second);
      productA = madd(first, f32x4.sub(v128.load(x + i), center), productA);
      productB = madd(second, f32x4.sub(v128.load(x + i, 16), center), productB);
    }
    if (i < bytes) {
      const h = f32x4.mul(v128.load(gradient + i), v128.load(weight + i));
      sumA = f32x4.add(sumA, h);
      productA = madd(h, f32x4.sub(v128.load(x + i), center), productA);
    }
    if (rest) {
      const h = f32x4.mul(loadPart(gradient + bytes, rest), loadPart(weight + bytes, rest));
      sumB = f32x4.add(sumB, h);
      productB = madd(h, f32x4.sub(loadPart(x + bytes, rest), center), productB);
    }
    const inverse = <f64>f32x4.extract_lane(scale, 0);
    const shift = f32x4.splat(<f32>(<f64>sumLanes(f32x4.add(sumA, sumB)) * share));
    const pull = f32x4.splat(<f32>(<f64>sumLanes(f32x4.add(productA, productB)) * inverse * share));
    for (i = 0; i < bytes; i += 16) {
      const g = v128.load(gradient + i);
      const normal = f32x4.mul(f32x4.sub(v128.load(x + i), center), scale);
      const inside = f32x4.sub(f32x4.mul(g, v128.load(weight + i)), shift);
      v128.store(gradX + i, f32x4.mul(scale, nmadd(normal, pull, inside)));
      v128.store(partialWeight + i, madd(g, normal, v128.load(partialWeight + i)));
      v128.store(partialBias + i, f32x4.add(g, v128.load(partialBias + i)));
    }
    if (rest) {
      const g = loadPart(gradient + i, rest);
      const normal = f32x4.mul(f32x4.sub(loadPart(x + i, rest), center), scale);
      const inside = f32x4.sub(f32x4.mul(g, loadPart(weight + i, rest)), shift);
      storeTail(gradX + i, f32x4.mul(scale, nmadd(normal, pull, inside)), rest);
      storeTail(partialWeight + i, madd(g, normal, loadPart(partialWeight + i, rest)), rest);
      storeTail(partialBias + i, f32x4.add(g, loadPart(partialBias + i, rest)), rest);
    }
  }
}
