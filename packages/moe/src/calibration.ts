/**
 * Evening the load of a router whose weights stand still, by its selection bias alone. In training the bias follows the
 * load step by step, a little behind weights that move; once they stand, the bias that balances a text can be found.
 *
 * The load of an expert grows with its bias, and by how much the scores tell: an expert that was not chosen is chosen
 * as soon as its bias has grown by what it lacks to the last one chosen; one that was is lost when it falls below the
 * first one left out. The tokens for which that distance is small make up a density, the slope of the load, and `bias
 * += (mean load - load) / slope` is Newton's method with the slope of each expert alone. Where that goes too far, since
 * the biases of competitors move as well or the density changes on the way, the load ends up on the other side of the
 * mean, and the expert's next step may be half as long at most.
 */
import {
  affine,
  assign,
  cast,
  concatenate,
  divide,
  greater,
  maximum,
  mean,
  multiply,
  reshape,
  slice,
  sqrt,
  subtract,
  sum,
  tensor,
  type Tensor,
  topK,
} from '@lpr/tensor';
import { withoutGradients } from '@lpr/tensor/nn';
import { type Router, type Routing, selectionOf } from './router.ts';

/** Half the width of the window in which distances count as small, in standard deviations of the scores. */
const WINDOW = 0.1;
/** The furthest that a bias moves at once, in windows: further away the slope says nothing. */
const FURTHEST = 5;
/** Slopes are at least this share of what even loads over one window would have. */
const FLATTEST = 0.01;

/** What a batch tells of a router's loads; see `surveyLoads`. */
export interface LoadSurvey {
  /** f32 `[M]`: choices of each expert. */
  readonly loads: Tensor;
  /** f32 `[M]`: by how much each expert's load grows with its bias, per unit of the bias. */
  readonly slopes: Tensor;
  /** f32 scalar: half the width of the window that the slopes were found in. */
  readonly window: Tensor;
}

/** Loads of a batch and their slopes, of routers that take the k largest. No gradient. */
export function surveyLoads(router: Pick<Router, 'topK' | 'selectionBias'>, routing: Routing): LoadSurvey {
  const { scores } = routing;
  return withoutGradients(scores.device, () => {
    const selection = selectionOf(routing, router);
    const k = router.topK;
    const best = topK(selection, k + 1).values;
    const last = slice(best, 1, k - 1, k);
    const next = slice(best, 1, k, k + 1);
    const chosen = greater(selection, next);
    // Of a chosen expert to the first left out, of another to the last chosen.
    const distance = subtract(subtract(selection, last), multiply(chosen, subtract(next, last)));
    const centred = subtract(scores, mean(scores));
    const window = affine(sqrt(mean(multiply(centred, centred))), WINDOW);
    const near = greater(window, maximum(distance, affine(distance, -1)));
    return { loads: cast(routing.counts, 'f32'), slopes: divide(sum(near, 0), affine(window, 2)), window };
  });
}

/**
 * One router's selection bias on its way to even loads: `survey` and `add` every batch of a text, then `step`, some
 * rounds.
 */
export class BiasCalibration {
  readonly #router: Router;
  #loads: Float64Array;
  #slopes: Float64Array;
  /** The last step of each bias, and how far its next may go. */
  readonly #moves: Float64Array;
  readonly #limits: Float64Array;
  /** Sum over batches, and their number. */
  #window = 0;
  #batches = 0;

  /** @throws RangeError when the router has no selection bias, or every token takes every expert */
  constructor(router: Router) {
    if (!isCalibrated(router)) {
      throw new RangeError(
        `BiasCalibration: a ${router.kind} router with k = ${router.topK} of ${router.experts} experts has no selection bias that decides anything`,
      );
    }
    this.#router = router;
    this.#loads = new Float64Array(router.experts);
    this.#slopes = new Float64Array(router.experts);
    this.#moves = new Float64Array(router.experts);
    this.#limits = new Float64Array(router.experts).fill(Number.POSITIVE_INFINITY);
  }

  /** What a routed batch tells, f32 `[2 M + 1]`, to be read and given to `add`. Inside a scope. */
  survey(routing: Routing): Tensor {
    const { loads, slopes, window } = surveyLoads(this.#router, routing);
    return concatenate([loads, slopes, reshape(window, [1])], 0);
  }

  /** Records what a batch told. */
  add(survey: Float32Array): void {
    const { experts } = this.#router;
    for (let e = 0; e < experts; e++) {
      this.#loads[e]! += survey[e]!;
      this.#slopes[e]! += survey[experts + e]!;
    }
    this.#window += survey[2 * experts]!;
    this.#batches++;
  }

  /**
   * Moves the bias towards even loads over what was added, and begins anew. Gives the loads before that.
   *
   * @throws Error when nothing was added
   */
  async step(): Promise<Float64Array> {
    const { selectionBias, experts } = this.#router;
    if (this.#batches === 0) throw new Error('BiasCalibration: step() after no batch; add some first');
    const { values, sign } = selectionBias!;
    const bias = Float64Array.from(await values.dataF32());
    const loads = this.#loads;
    const even = loads.reduce((total, load) => total + load, 0) / experts;
    const window = this.#window / this.#batches;
    const flattest = (FLATTEST * even) / window;
    for (const [e, load] of loads.entries()) {
      const wanted = (even - load) / Math.max(this.#slopes[e]!, flattest);
      const last = this.#moves[e]!;
      if (wanted * last < 0) this.#limits[e] = Math.abs(last) / 2;
      const limit = Math.min(this.#limits[e]!, FURTHEST * window);
      const move = Math.min(Math.max(wanted, -limit), limit);
      this.#moves[e] = move;
      bias[e]! += sign * move;
    }
    const centre = bias.reduce((total, value) => total + value, 0) / experts;
    withoutGradients(values.device, () => {
      assign(
        values,
        tensor(
          values.device,
          Float32Array.from(bias, (value) => value - centre),
        ),
      );
    });
    this.#loads = new Float64Array(experts);
    this.#slopes = new Float64Array(experts);
    this.#window = this.#batches = 0;
    return loads;
  }
}

/** Whether a router has a selection bias that decides which experts are chosen. */
export function isCalibrated({ selectionBias, topK: k, experts }: Router): boolean {
  return selectionBias !== null && k < experts;
}
