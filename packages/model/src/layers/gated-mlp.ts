/** The MLP of layers without experts: `down(silu(gate x) * up x)`. */
import { linear, swiGlu, type Tensor } from '@lpr/tensor';
import { tensorNamed } from '@lpr/tensor/nn';

export class GatedMlp {
  readonly #gateUp: Tensor;
  readonly #down: Tensor;

  constructor(tensors: ReadonlyMap<string, Tensor>) {
    this.#gateUp = tensorNamed(tensors, 'gate_up_proj.weight');
    this.#down = tensorNamed(tensors, 'down_proj.weight');
  }

  /** x `[tokens, hidden]`; gives the same shape. */
  forward(x: Tensor): Tensor {
    return linear(swiGlu(linear(x, this.#gateUp)), this.#down);
  }
}
