/** The gated linear unit of Transformer MLPs. */
import { record } from '../autograd.ts';
import { formatShape } from '../shape.ts';
import { Tensor } from '../tensor.ts';
import { rowsOf } from './rows.ts';

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
