/** Causal grouped-query attention. */
import { record } from '../autograd.ts';
import { tensor } from '../creation.ts';
import { formatShape } from '../shape.ts';
import { deviceOf, Tensor } from '../tensor.ts';
import { add, affine } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { permute, reshape } from './movement.ts';
import { headsOf } from './rows.ts';
import { softmax } from './softmax.ts';

/**
 * Causal grouped-query attention (Ainslie et al. 2023): q `[batch, sequence, heads, headDim]`, k `[batch, positions,
 * keyHeads, headDim]`, v `[batch, positions, keyHeads, valueDim]`; heads is a multiple of keyHeads. The queries are
 * those of the last positions, of which there may be more (tokens already in a cache). `scale` is `1 / sqrt(headDim)`
 * unless given. Gives `[batch, sequence, heads, valueDim]`.
 */
export function causalAttention(q: Tensor, k: Tensor, v: Tensor, scale?: number): Tensor {
  const [batch, sequence, heads, headDim] = headsOf('causalAttention', 'q', q);
  const [, positions, keyHeads, keyDim] = headsOf('causalAttention', 'k', k);
  const valueDim = headsOf('causalAttention', 'v', v)[3];
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
