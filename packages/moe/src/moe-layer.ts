/** The Mixture-of-Experts layer: a router and its experts. */
import {
  add,
  atOnce,
  cast,
  type Device,
  full,
  labelledPausing,
  multiply,
  ones,
  type Pausing,
  type RandomKey,
  type Tensor,
} from '@lpr/tensor';
import { createParameters, labelled, type Module } from '@lpr/tensor/nn';
import { fullChoices, partialChoices } from './choices.ts';
import type { ExpertRanks } from './expert-parallel.ts';
import {
  expertParameters,
  type ExpertsShape,
  type ExpertSteps,
  expertSteps,
  mixExperts,
  mixExpertsOfRanks,
  serveExperts,
} from './experts.ts';
import type { RouteContext, Router, RouterShape, Routing } from './router.ts';
import { createRouter, type RouterOptions, routerParameters } from './routers/index.ts';
import { mergeStatistics, type RoutingStatistics, statisticsOf } from './statistics.ts';

/** What one pass of tokens through a layer gives. */
export interface MoeResult {
  /** `[tokens, hidden]`. */
  readonly output: Tensor;
  readonly routing: Routing;
}

/** The ranks that own the experts of a layer, and its number among those with experts. */
export interface LayerOfRanks {
  readonly ranks: ExpertRanks;
  readonly layer: number;
}

/**
 * A router and its experts, a module: `Training` of @lpr/tensor/nn trains it, and calls `afterStep`, without which the
 * selection bias of a router that has one stays as it is.
 */
export class MoeLayer implements Module {
  readonly router: Router;
  /** Trained tensors: the router's below `gate.`, those of the experts below `experts.`. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** The router's state, below `gate.`. */
  readonly buffers: ReadonlyMap<string, Tensor>;
  readonly #steps: ExpertSteps;
  readonly #shared: LayerOfRanks | null;
  /** What was routed in training since the last step, as long as its scope is open. */
  #routed: readonly Routing[] = [];
  /** What only an optimiser changes. */
  readonly #experts: readonly Tensor[];
  /** How often the experts had been changed when tokens were last routed in training; null after a step. */
  #changesSeen: number | null = null;
  #hasWarned = false;

  /**
   * `experts` holds the tensors that `expertParameters` names; where several ranks own the experts, this rank's rows of
   * those that hold a matrix an expert.
   */
  constructor(router: Router, experts: ReadonlyMap<string, Tensor>, shared: LayerOfRanks | null = null) {
    this.router = router;
    this.parameters = new Map([...named('gate', router.parameters), ...named('experts', experts)]);
    this.buffers = new Map(named('gate', router.buffers));
    this.#experts = [...experts.values()];
    this.#steps = expertSteps(experts);
    this.#shared = shared;
  }

  /**
   * x `[tokens, hidden]`. In training, `routing.losses` belong into the loss (`totalLoss`), and `afterStep` is to be
   * called after the optimiser's step, within the scope of this pass.
   *
   * @throws Error where the experts lie on several ranks, whose rows are to be awaited
   */
  forward(x: Tensor, context: RouteContext): MoeResult {
    return atOnce(this.forwardPausing(x, context));
  }

  /** As `forward`, wherever the experts lie. */
  *forwardPausing(x: Tensor, context: RouteContext): Pausing<MoeResult> {
    const { device } = x;
    const routing = labelled(device, 'router', () => {
      const own = this.router.route(x, context);
      return context.replay === undefined ? own : this.#replayed(own, context);
    });
    const output = yield* labelledPausing(device, 'experts', this.#mixed(x, routing));
    if (context.training && output.tracked) this.#remember(routing);
    return { output, routing };
  }

  /** This rank's part where others send tokens through this layer, and it has none. */
  *serve(device: Device): Pausing<void> {
    if (this.#shared === null) throw new Error('MoeLayer.serve: the experts of this layer lie on no other ranks');
    yield* labelledPausing(
      device,
      'experts',
      serveExperts(this.#steps, device, this.router.experts, this.#shared.ranks),
    );
  }

  *#mixed(x: Tensor, { expertInput = x, weights, plan, passThrough }: Routing): Pausing<Tensor> {
    const steps = this.#steps;
    let mixed: Tensor;
    if (this.#shared === null) {
      mixed = mixExperts(steps, expertInput, weights, plan);
    } else {
      const { ranks, layer } = this.#shared;
      yield ranks.begin(layer);
      mixed = yield* mixExpertsOfRanks(steps, expertInput, weights, plan, this.router.experts, ranks);
    }
    return passThrough === undefined ? mixed : add(mixed, multiply(x, passThrough));
  }

  /**
   * The router's update outside of the gradient, after an optimiser step. Nothing happens where no tokens were routed
   * in training since the last one.
   *
   * @param statistics of all tokens of the step; those that went through this layer since the last one unless given
   * @throws Error when the scope in which they were routed has ended
   */
  afterStep(statistics?: RoutingStatistics): void {
    if (this.#changesSeen === null && statistics === undefined) return;
    const own = this.#routed.filter(({ counts }) => !counts.disposed);
    if (statistics === undefined && own.length === 0) {
      throw new Error(
        `${this.router.kind} router: MoeLayer.afterStep was called after the scope of the forward pass had ended; call it ` +
          'within that scope, or give it the statistics of the step (statisticsOf)',
      );
    }
    this.router.afterStep(statistics ?? mergeStatistics(own.map((routing) => [statisticsOf(routing)]))[0]!);
    this.#routed = [];
    this.#changesSeen = null;
  }

  /** Frees all parameters and buffers. */
  dispose(): void {
    for (const each of [...this.parameters.values(), ...this.buffers.values()]) each.dispose();
  }

  /** Keeps a routing for the next `afterStep`, and says so once where the one before it was left out. */
  #remember(routing: Routing): void {
    const { kind, selectionBias } = this.router;
    const changes = this.#experts.reduce((sum, { version }) => sum + version, 0);
    const wasLeftOut = this.#changesSeen !== null && this.#changesSeen !== changes;
    if (wasLeftOut && selectionBias !== null && !this.#hasWarned) {
      this.#hasWarned = true;
      console.warn(
        `${kind} router: the optimiser took a step, but MoeLayer.afterStep was not called, so the selection bias stays as it ` +
          'is and does not balance the load. Train with Training of @lpr/tensor/nn, or call afterStep after each step.',
      );
    }
    this.#routed = [...this.#routed.filter(({ counts }) => !counts.disposed), routing];
    this.#changesSeen = changes;
  }

  /**
   * What one expert makes of tokens `[tokens, hidden]`, as experts read them, whichever they chose; unweighted. Only
   * where all experts lie here.
   */
  outputOf(expert: number, input: Tensor): Tensor {
    const { experts: count, kind } = this.router;
    if (!Number.isInteger(expert) || expert < 0 || expert >= count) {
      throw new RangeError(`${kind} router: there is no expert ${expert}; there are ${count}, counted from 0`);
    }
    const slots = [input.shape[0]!, 1];
    const { plan } = fullChoices(cast(full(input.device, slots, expert), 'i32'), count);
    if (this.#shared !== null) throw new Error('MoeLayer.outputOf: the experts of this layer lie on several ranks');
    return mixExperts(this.#steps, input, ones(input.device, slots), plan);
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

/** What a layer needs to know. */
export type MoeLayerShape = RouterShape & ExpertsShape;

/** A layer with fresh weights, from streams of `key`; it lives until it is disposed. */
export function createMoeLayer(device: Device, options: RouterOptions, shape: MoeLayerShape, key: RandomKey): MoeLayer {
  const gate = createParameters(device, routerParameters(options, shape), key.fold('gate'));
  const experts = createParameters(device, expertParameters(shape), key.fold('experts'));
  return new MoeLayer(createRouter(options, shape, gate), experts);
}

function named(prefix: string, tensors: ReadonlyMap<string, Tensor>): [string, Tensor][] {
  return Array.from(tensors, ([name, tensor]) => [`${prefix}.${name}`, tensor]);
}
