/** The gated linear unit, and its gradient. */
import {
  SWI_GLU,
  SWI_GLU_BACKWARD,
  SwiGluBackwardWords,
  SwiGluWords,
} from '../generated/commands';
import { sigmoid4, silu4 } from './math';
import { fullBytes, loadPart, loadTail, madd, storePart, storeTail } from './simd';
import { endRow, firstRow } from './tiles';

/** Runs tile `tile` of a command of this family. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  switch (opcode) {
    case SWI_GLU:
      swiGlu(changetype<SwiGluWords>(args), tile);
      break;
    case SWI_GLU_BACKWARD:
      swiGluBackward(changetype<SwiGluBackwardWords>(args), tile);
      break;
    default:
      unreachable();
  }
}

function swiGlu(words: SwiGluWords, tile: i32): void {
  const begin = firstRow(words, tile);
  const end = endRow(words, begin);
  const columns = words.columns;
  const rowBytes = <usize>columns << 2;
  const bytes = fullBytes(columns);
  const rest = columns & 3;
  for (let row = begin; row < end; row++) {
    const gate = words.x + 2 * <usize>row * rowBytes;
    const up = gate + rowBytes;
    const out = words.out + <usize>row * rowBytes;
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(out + i, f32x4.mul(silu4(v128.load(gate + i)), v128.load(up + i)));
    }
    if (rest) {
      const one = f32x4.splat(1);
      const value = f32x4.mul(silu4(loadTail(gate + bytes, rest, one)), loadTail(up + bytes, rest, one));
      storeTail(out + bytes, value, rest);
    }
  }
}

/** With s = sigmoid(gate): gradGate = gradient * up * s * (1 + gate * (1 - s)), gradUp = gradient * gate * s. */
function swiGluBackward(words: SwiGluBackwardWords, tile: i32): void {
  const begin = firstRow(words, tile);
  const end = endRow(words, begin);
  const columns = words.columns;
  const rowBytes = <usize>columns << 2;
  const bytes = fullBytes(columns);
  for (let row = begin; row < end; row++) {
    const gate = words.x + 2 * <usize>row * rowBytes;
    const gradient = words.gradient + <usize>row * rowBytes;
    const gradGate = words.gradX + 2 * <usize>row * rowBytes;
    for (let i: usize = 0; i < bytes; i += 16) swiGluGradient(gate + i, gradient + i, gradGate + i, rowBytes, 0);
    const rest = columns & 3;
    if (rest) swiGluGradient(gate + bytes, gradient + bytes, gradGate + bytes, rowBytes, rest);
  }
}

@inline
function swiGluGradient(gate: usize, gradient: usize, gradGate: usize, rowBytes: usize, rest: i32): void {
  const one = f32x4.splat(1);
  const g = loadPart(gradient, rest);
  const z = loadPart(gate, rest);
  const s = sigmoid4(z);
  const upward = f32x4.mul(f32x4.mul(g, loadPart(gate + rowBytes, rest)), s);
  storePart(gradGate, f32x4.mul(upward, madd(z, f32x4.sub(one, s), one)), rest);
  storePart(gradGate + rowBytes, f32x4.mul(g, f32x4.mul(z, s)), rest);
}
