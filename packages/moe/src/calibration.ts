/**
 * Evening the load of a router whose weights stand still, by its selection bias alone. In training the bias follows the
 * load step by step, a little behind weights that move; once they stand, the bias that balances a text can be found.
 *
 * The load of an expert grows with its bias, and by how much the scores tell: an expert that was not chosen is chosen
 * as soon as its bias has grown by what it lacks to the last one chosen; one that was is lost when it falls below the
 * first one left out. The tokens for which that distance is small make up a density, the slope of the load, and `bias
 * += (mean load - load) / slope` is Newton's method with the slope of each expert alone.
 *
 * A share of that step is taken after every batch, so that the bias moves as often as the text has batches, those of
 * other experts and of layers below move with it, and what it settles around is the bias that balances the text. The
 * mean of where it has been is that bias, without what each batch has of its own (averaged stochastic approximation:
 * Polyak and Juditsky 1992). Steps over the whole text that are taken a few times need several readings for the same.
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
/** Batches that the mean slope of all experts counts for in the slope of each. */
const PRIOR_BATCHES = 5;
/** Of Newton's step that is taken after a batch; more after the first ones, when all that is known is theirs. */
const SHARE = 0.2;
/** Far below any window that is not 0: what f32 tells apart of scores is 1e-23 or more, by the square of it. */
const NO_WINDOW = 1e-30;

/** What a batch tells of a router's loads; see `surveyLoads`. */
export interface LoadSurvey {
  /** f32 `[M]`: choices of each expert. */
  readonly loads: Tensor;
  /** f32 `[M]`: by how much each expert's load grows with its bias, per unit of the bias; 0 where the window is. */
  readonly slopes: Tensor;
  /** f32 scalar: half the width of the window that the slopes were found in; 0 where all scores are equal. */
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
    const slopes = divide(sum(near, 0), maximum(affine(window, 2), NO_WINDOW));
    return { loads: cast(routing.counts, 'f32'), slopes, window };
  });
}

/**
 * One router's selection bias on its way to even loads: `survey` and `follow` every batch of a text, in an order in
 * which every stretch is like the whole, then `finish`.
 */
export class BiasCalibration {
  readonly #router: Router;
  /** f64 `[M]` as of now; null until the first batch. */
  #bias: Float64Array | null = null;
  /** Sum over batches of the bias after each, the t-th t times: what it was at first counts for little. */
  readonly #weighted: Float64Array;
  /** Sums over batches, and their number. */
  readonly #slopes: Float64Array;
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
    this.#weighted = new Float64Array(router.experts);
    this.#slopes = new Float64Array(router.experts);
  }

  /** What a routed batch tells, f32 `[2 M + 1]`, to be read and given to `follow`. Inside a scope. */
  survey(routing: Routing): Tensor {
    const { loads, slopes, window } = surveyLoads(this.#router, routing);
    return concatenate([loads, slopes, reshape(window, [1])], 0);
  }

  /** Moves the bias towards even loads, by what a batch told; not at all while all scores were equal. */
  async follow(survey: Float32Array): Promise<void> {
    const { selectionBias, experts } = this.#router;
    this.#bias ??= Float64Array.from(await selectionBias!.values.dataF32());
    const bias = this.#bias;
    const batches = ++this.#batches;
    const loads = survey.subarray(0, experts);
    for (let e = 0; e < experts; e++) this.#slopes[e]! += survey[experts + e]!;
    this.#window += survey[2 * experts]!;
    const even = average(loads);
    const window = this.#window / batches;
    const typical = average(this.#slopes) / batches;
    // Without a window this is infinite: scores that are all equal say of no bias how far it should move.
    const flattest = (FLATTEST * even) / window;
    const share = Math.max(1 / batches, SHARE);
    for (const [e, load] of loads.entries()) {
      const slope = (this.#slopes[e]! + PRIOR_BATCHES * typical) / (batches + PRIOR_BATCHES);
      const wanted = (share * (even - load)) / Math.max(slope, flattest);
      bias[e]! += selectionBias!.sign * Math.min(Math.max(wanted, -FURTHEST * window), FURTHEST * window);
    }
    const centre = average(bias);
    for (let e = 0; e < experts; e++) {
      bias[e]! -= centre;
      this.#weighted[e]! += batches * bias[e]!;
    }
    this.#set(bias);
  }

  /**
   * Sets the bias to the mean of what it was.
   *
   * @throws Error when it followed no batch
   */
  finish(): void {
    const batches = this.#batches;
    if (batches === 0) throw new Error('BiasCalibration: finish() after no batch; let it follow some first');
    const weights = (batches * (batches + 1)) / 2;
    this.#set(this.#weighted.map((sum) => sum / weights));
  }

  #set(bias: Float64Array): void {
    const { values } = this.#router.selectionBias!;
    withoutGradients(values.device, () => {
      assign(values, tensor(values.device, Float32Array.from(bias)));
    });
  }
}

/** Whether a router has a selection bias that decides which experts are chosen. */
export function isCalibrated({ selectionBias, topK: k, experts }: Router): boolean {
  return selectionBias !== null && k < experts;
}

function average(values: Float32Array | Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
