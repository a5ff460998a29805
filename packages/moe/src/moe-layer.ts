/** The Mixture-of-Experts layer: a router and its experts. */
import { add, cast, full, multiply, ones, type Tensor } from '@lpr/tensor';
import { labelled } from '@lpr/tensor/nn';
import { fullChoices, partialChoices } from './choices.ts';
import { expertsOver, type RunExperts } from './experts.ts';
import type { RouteContext, Router, Routing } from './router.ts';

export interface MoeResult {
  /** `[tokens, hidden]`. */
  readonly output: Tensor;
  readonly routing: Routing;
}

export class MoeLayer {
  readonly router: Router;
  readonly #runExperts: RunExperts;

  /** `experts` holds the tensors that `expertParameters` names. */
  constructor(router: Router, experts: ReadonlyMap<string, Tensor>) {
    this.router = router;
    this.#runExperts = expertsOver(experts);
  }

  /** x `[tokens, hidden]`. */
  forward(x: Tensor, context: RouteContext): MoeResult {
    const { device } = x;
    const routing = labelled(device, 'router', () => {
      const own = this.router.route(x, context);
      return context.replay === undefined ? own : this.#replayed(own, context);
    });
    const { expertInput = x, weights, plan, passThrough } = routing;
    const output = labelled(device, 'experts', () => {
      const mixed = this.#runExperts(expertInput, weights, plan);
      return passThrough === undefined ? mixed : add(mixed, multiply(x, passThrough));
    });
    return { output, routing };
  }

  /** What one expert makes of tokens `[tokens, hidden]`, as experts read them, whichever they chose; unweighted. */
  outputOf(expert: number, input: Tensor): Tensor {
    const { experts: count, kind } = this.router;
    if (!Number.isInteger(expert) || expert < 0 || expert >= count) {
      throw new RangeError(`${kind} router: there is no expert ${expert}; there are ${count}, counted from 0`);
    }
    const slots = [input.shape[0]!, 1];
    const { plan } = fullChoices(cast(full(input.device, slots, expert), 'i32'), count);
    return this.#runExperts(input, ones(input.device, slots), plan);
  }

  /** Recorded choices in place of the router's; its scores and details stay. */
  #replayed(own: Routing, { training, replay }: RouteContext): Routing {
    const { experts, weights } = replay!;
    const { kind, experts: count } = this.router;
    if (training) throw new Error(`${kind} router: recorded routing is for evaluation; it has no gradient`);
    const [tokens = 0] = own.experts.shape;
    if (experts.shape.length !== 2 || experts.shape[0] !== tokens || String(weights.shape) !== String(experts.shape)) {
      throw new RangeError(
        `${kind} router: replay.experts and replay.weights must be [${tokens}, slots], got [${experts.shape.join(', ')}] and [${weights.shape.join(', ')}]`,
      );
    }
    return { ...own, ...partialChoices(experts, count), weights, unused: [] };
  }
}
