/** The Mixture-of-Experts layer: a router and its experts. */
import { add, multiply, type Tensor } from '@lpr/tensor';
import { runExperts } from './experts.ts';
import { labelled } from './graph.ts';
import { tensorNamed } from './parameters.ts';
import type { RouteContext, Router, Routing } from './router.ts';

export interface MoeResult {
  /** `[tokens, hidden]`. */
  readonly output: Tensor;
  readonly routing: Routing;
}

export class MoeLayer {
  readonly router: Router;
  readonly #gateUp: Tensor;
  readonly #down: Tensor;

  /** `experts` holds the tensors that `expertParameters` names. */
  constructor(router: Router, experts: ReadonlyMap<string, Tensor>) {
    this.router = router;
    this.#gateUp = tensorNamed(experts, 'gate_up_proj');
    this.#down = tensorNamed(experts, 'down_proj');
  }

  /** x `[tokens, hidden]`. */
  forward(x: Tensor, context: RouteContext): MoeResult {
    const { device } = x;
    const routing = labelled(device, 'router', () => this.router.route(x, context));
    const { expertInput = x, weights, plan, passThrough } = routing;
    const output = labelled(device, 'experts', () => {
      const mixed = runExperts(expertInput, this.#gateUp, this.#down, weights, plan);
      return passThrough === undefined ? mixed : add(mixed, multiply(x, passThrough));
    });
    return { output, routing };
  }
}
