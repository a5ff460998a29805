/**
 * What attention layers need: rotary position embedding, causal grouped-query attention, the gated activation of their
 * MLPs.
 */
import { record } from '../autograd.ts';
import type { Device } from '../devices/device.ts';
import { formatShape } from '../shape.ts';
import { checkDType, deviceOf, tensor, Tensor } from '../tensor.ts';
import { add, affine } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { permute, reshape } from './movement.ts';
import { rowsOf, softmax } from './normalization.ts';

/** cos and sin of `position * theta^(-2 i / headDim)`: each `[positions, headDim / 2]`. */
export interface RotaryTables {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** Tables for `rotary` (Su et al. 2021), computed in float64. headDim is even. */
export function rotaryTables(device: Device, positions: number, headDim: number, theta: number): RotaryTables {
  if (headDim % 2 !== 0) throw new RangeError(`rotaryTables: headDim must be even, got ${headDim}`);
  const half = headDim / 2;
  const angle = (i: number): number => Math.floor(i / half) * theta ** (-(i % half) / half);
  const values = (f: (x: number) => number): Float32Array =>
    Float32Array.from({ length: positions * half }, (_, i) => f(angle(i)));
  return {
    cos: tensor(device, values(Math.cos), [positions, half]),
    sin: tensor(device, values(Math.sin), [positions, half]),
  };
}

/** Which positions and pairs `rotary` turns. */
export interface RotaryOptions {
  /** Position of the first token (tokens already in a cache). */
  readonly offset?: number;
  /**
   * Rotate pairs of neighbours (2i, 2i + 1), written in half order as Hugging Face does, instead of (i, i + headDim/2).
   */
  readonly interleaved?: boolean;
}

/** Rotates x `[batch, sequence, heads, headDim]` by its positions. */
export function rotary(x: Tensor, tables: RotaryTables, options: RotaryOptions = {}): Tensor {
  const { offset = 0, interleaved = false } = options;
  const [batch, sequence, heads, headDim] = checkHeads('rotary', 'x', x);
  const [positions, half] = tables.cos.shape;
  if (half! * 2 !== headDim || positions! < offset + sequence) {
    throw new RangeError(
      `rotary: tables for ${positions} positions of headDim ${half! * 2} do not serve positions up to ${offset + sequence} of ${formatShape(x.shape)}`,
    );
  }
  const device = deviceOf('rotary', x, tables.cos, tables.sin);
  const rotate = (input: Tensor, cos: Tensor, sin: Tensor, inverse: boolean): Tensor => {
    const out = new Tensor(device, x.shape);
    device.kernels.rope({
      x: input.buffer,
      cos: cos.buffer,
      sin: sin.buffer,
      out: out.buffer,
      batch,
      sequence,
      heads,
      headDim,
      offset,
      interleaved,
      inverse,
    });
    return out;
  };
  return record(
    'rotary',
    rotate(x, tables.cos, tables.sin, false),
    [x],
    [tables.cos, tables.sin],
    (gradient, [cos, sin]) => [rotate(gradient, cos!, sin!, true)],
  );
}

/**
 * Causal grouped-query attention (Ainslie et al. 2023): q `[batch, sequence, heads, headDim]`, k `[batch, positions,
 * keyHeads, headDim]`, v `[batch, positions, keyHeads, valueDim]`; heads is a multiple of keyHeads. The queries are
 * those of the last positions, of which there may be more (tokens already in a cache). `scale` is `1 / sqrt(headDim)`
 * unless given. Gives `[batch, sequence, heads, valueDim]`.
 */
export function causalAttention(q: Tensor, k: Tensor, v: Tensor, scale?: number): Tensor {
  const [batch, sequence, heads, headDim] = checkHeads('causalAttention', 'q', q);
  const [, positions, keyHeads, keyDim] = checkHeads('causalAttention', 'k', k);
  const valueDim = checkHeads('causalAttention', 'v', v)[3];
  const fits = [k, v].every((x) => x.shape[0] === batch && x.shape[1] === positions && x.shape[2] === keyHeads);
  if (!fits || positions < sequence || keyDim !== headDim || heads % keyHeads !== 0) {
    throw new RangeError(
      `causalAttention: q ${formatShape(q.shape)}, k ${formatShape(k.shape)}, v ${formatShape(v.shape)}: expected equal batch, k and v with equal ` +
        'positions, at least those of q, and equal heads that divide those of q, and q and k of one headDim',
    );
  }
  const device = deviceOf('causalAttention', q, k, v);
  const sizes = { batch, sequence, heads, keyHeads, headDim, valueDim, scale: scale ?? headDim ** -0.5 };
  if (positions > sequence) return attendToMore(q, k, v, sizes.scale);
  const out = new Tensor(device, [batch, sequence, heads, valueDim]);
  const logSumExp = new Tensor(device, [batch, heads, sequence]);
  device.kernels.attention({
    q: q.buffer,
    k: k.buffer,
    v: v.buffer,
    out: out.buffer,
    logSumExp: logSumExp.buffer,
    ...sizes,
  });
  return record(
    'causalAttention',
    out,
    [q, k, v],
    [q, k, v, out, logSumExp],
    (gradient, [savedQ, savedK, savedV, savedOut, savedLogSumExp]) => {
      const [gradQ, gradK, gradV] = [q, k, v].map((x) => new Tensor(device, x.shape)) as [Tensor, Tensor, Tensor];
      device.kernels.attentionBackward({
        q: savedQ!.buffer,
        k: savedK!.buffer,
        v: savedV!.buffer,
        out: savedOut!.buffer,
        logSumExp: savedLogSumExp!.buffer,
        gradient: gradient.buffer,
        gradQ: gradQ.buffer,
        gradK: gradK.buffer,
        gradV: gradV.buffer,
        ...sizes,
      });
      return [gradQ, gradK, gradV];
    },
  );
}

/**
 * Attention of the last positions to all, out of products of matrices: for a few queries, all scores may exist at once.
 */
function attendToMore(q: Tensor, k: Tensor, v: Tensor, scale: number): Tensor {
  const [batch, sequence, heads, headDim] = q.shape as [number, number, number, number];
  const [, positions, keyHeads, valueDim] = v.shape as [number, number, number, number];
  const share = heads / keyHeads;
  // Queries of one key head become the rows of one matrix.
  const grouped = permute(reshape(q, [batch, sequence, keyHeads, share, headDim]), [0, 2, 3, 1, 4]);
  const rows = reshape(grouped, [batch, keyHeads, share * sequence, headDim]);
  const products = matmul(rows, permute(k, [0, 2, 1, 3]), { transposeB: true });
  let scores = affine(reshape(products, [batch, keyHeads, share, sequence, positions]), scale);
  if (sequence > 1) {
    const last = (row: number): number => positions - sequence + row;
    const mask = Float32Array.from({ length: sequence * positions }, (_, i) =>
      i % positions > last(Math.floor(i / positions)) ? -Infinity : 0,
    );
    scores = add(scores, tensor(q.device, mask, [sequence, positions]));
  }
  const mixed = matmul(reshape(softmax(scores), products.shape), permute(v, [0, 2, 1, 3]));
  const ungrouped = permute(reshape(mixed, [batch, keyHeads, share, sequence, valueDim]), [0, 3, 1, 2, 4]);
  return reshape(ungrouped, [batch, sequence, heads, valueDim]);
}

/** `silu(gate) * up` (Shazeer 2020), where x `[..., 2 width]` holds gate, then up. Gives `[..., width]`. */
export function swiGlu(x: Tensor): Tensor {
  const { rows, columns } = rowsOf('swiGlu', x);
  if (columns % 2 !== 0) throw new RangeError(`swiGlu: the last axis holds gate and up, got ${formatShape(x.shape)}`);
  const width = columns / 2;
  const out = new Tensor(x.device, [...x.shape.slice(0, -1), width]);
  x.device.kernels.swiGlu({ x: x.buffer, out: out.buffer, rows, width });
  return record('swiGlu', out, [x], [x], (gradient, [savedX]) => {
    const gradX = new Tensor(x.device, x.shape);
    x.device.kernels.swiGluBackward({
      x: savedX!.buffer,
      gradient: gradient.buffer,
      gradX: gradX.buffer,
      rows,
      width,
    });
    return [gradX];
  });
}

function checkHeads(op: string, name: string, x: Tensor): [number, number, number, number] {
  checkDType(op, name, x, 'f32');
  if (x.shape.length !== 4) {
    throw new RangeError(`${op}: ${name} must be [batch, sequence, heads, headDim], got ${formatShape(x.shape)}`);
  }
  return x.shape as unknown as [number, number, number, number];
}
