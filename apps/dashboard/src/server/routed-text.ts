/** How a model routed a text: what a page is told of all of it, and of one place in it. */
import { latentPlane, type Matrix } from '@lpr/metrics';
import { withinTime } from '@lpr/guard';
import type { Decoder } from '@lpr/model';
import { routerTraits, type Routing, selectionOf } from '@lpr/moe';
import { measured } from '@lpr/runs';
import type { Tensor } from '@lpr/tensor';
import { type LookRequest, type RoutedPlace, type RoutedText, SUREST } from '../api.ts';

/** Scores that are kept of a text: a quarter of a gigabyte with what experts were chosen by. */
const MOST_SCORES = 2 ** 25;
/** Milliseconds that it may take to find the plane of a layer's latents, which grows with the cube of their width. */
const PLANE_LIMIT = 2000;

interface RoutedLayer {
  readonly chosen: Int32Array;
  readonly weights: Float32Array;
  /** `[tokens, M]`. */
  readonly scores: Float32Array;
  readonly selection: Float32Array;
  readonly takesLargest: boolean;
  readonly latents: { readonly tokens: Matrix; readonly prototypes: Matrix } | null;
}

/** What is known of a text beside how it was routed. */
export type TextFacts = Pick<RoutedText, 'step' | 'tokens' | 'cutTokens'>;

export class RoutingOfText {
  readonly text: RoutedText;
  readonly #layers: readonly RoutedLayer[];

  private constructor(text: RoutedText, layers: readonly RoutedLayer[]) {
    this.text = text;
    this.#layers = layers;
  }

  /**
   * Reads what a decoder's routers made of a text, inside of the scope that holds it.
   *
   * @throws RangeError where there are more scores than a server may keep
   */
  static async read(decoder: Decoder, routings: readonly Routing[], facts: TextFacts): Promise<RoutingOfText> {
    const experts = decoder.routers[0]?.experts ?? 0;
    const count = facts.tokens.length * experts * routings.length;
    if (count > MOST_SCORES) {
      throw new RangeError(
        `this text has ${count.toLocaleString('en')} scores (tokens x experts x layers), and at most ${MOST_SCORES.toLocaleString('en')} are kept; shorten it`,
      );
    }
    const layers = await Promise.all(routings.map((routing, i) => readLayer(decoder, routing, i)));
    const text: RoutedText = {
      ...facts,
      layers: decoder.moeLayers,
      experts,
      slots: (layers[0]?.chosen.length ?? 0) / facts.tokens.length,
      chosen: layers.map(({ chosen }) => Array.from(chosen)),
      weights: layers.map(({ weights }) => Array.from(weights)),
    };
    return new RoutingOfText(text, layers);
  }

  /**
   * @param byAngle whether the router compares directions alone
   * @throws RangeError where the text has no such place; Error where the plane takes too long
   */
  look(place: Pick<LookRequest, 'layer' | 'token' | 'expert'>, byAngle: boolean): RoutedPlace {
    const { experts, tokens } = this.text;
    within('layer', place.layer, this.#layers.length);
    within('token', place.token, tokens.length);
    within('expert', place.expert, experts);
    const ofToken = (all: Float32Array): (number | null)[] =>
      Array.from(all.subarray(place.token * experts, (place.token + 1) * experts), measured);
    const layer = this.#layers[place.layer]!;
    return {
      scores: this.#layers.map(({ scores }) => ofToken(scores)),
      selection: this.#layers.map(({ selection }) => ofToken(selection)),
      plane: planeOf(layer, byAngle),
      surest: surestOf(layer, place.expert, experts, this.text.slots),
    };
  }
}

function within(name: string, value: number, count: number): void {
  if (Number.isInteger(value) && value >= 0 && value < count) return;
  throw new RangeError(`${name} is ${value}; the text has ${count} of them, counted from 0`);
}

async function readLayer(decoder: Decoder, routing: Routing, index: number): Promise<RoutedLayer> {
  const router = decoder.routers[index]!;
  const plans = decoder.plan.layers.flatMap(({ feedForward }) =>
    feedForward.kind === 'moe' ? [feedForward.router] : [],
  );
  const selection = selectionOf(routing, router);
  // Gaussian prototypes have their means under the second name; in evaluation the latent is the mean.
  const prototypes = router.parameters.get('expert_keys') ?? router.parameters.get('expert_keys_mu');
  const mu = routing.details?.['mu'];
  const scores = await routing.scores.data();
  return {
    chosen: (await routing.experts.data()) as Int32Array,
    weights: (await routing.weights.data()) as Float32Array,
    scores: scores as Float32Array,
    selection: (selection === routing.scores ? scores : await selection.data()) as Float32Array,
    takesLargest: routerTraits(plans[index]!).takesLargest,
    latents:
      prototypes === undefined || mu === undefined
        ? null
        : { tokens: await matrixOf(mu), prototypes: await matrixOf(prototypes) },
  };
}

async function matrixOf(tensor: Tensor): Promise<Matrix> {
  const [rows = 0, columns = 0] = tensor.shape;
  return { rows, columns, values: await tensor.data() };
}

function planeOf({ latents }: RoutedLayer, byAngle: boolean): RoutedPlace['plane'] {
  // A model that diverged has latents that lie nowhere.
  if (
    latents === null ||
    ![latents.tokens, latents.prototypes].every(({ values }) => Array.from(values).every(Number.isFinite))
  )
    return null;
  const { points, prototypes, explained } = withinTime(PLANE_LIMIT, 'finding the plane of the latents', () =>
    latentPlane(latents.tokens, latents.prototypes, { byAngle, of: 'latents and prototypes' }),
  );
  return {
    points: points.map((point) => Array.from(point)),
    prototypes: prototypes.map((point) => Array.from(point)),
    explained: explained.map(measured),
  };
}

/** Those tokens that the expert is chosen for by the widest margin, or comes closest to. */
function surestOf(
  { chosen, scores, selection, takesLargest }: RoutedLayer,
  expert: number,
  experts: number,
  slots: number,
): RoutedPlace['surest'] {
  const found = Array.from({ length: chosen.length / slots }, (_, token) => {
    const own = new Set(chosen.subarray(token * slots, (token + 1) * slots));
    const at = token * experts;
    let rival = -Infinity;
    for (let other = 0; other < experts; other++) {
      // Ahead of the best that was not chosen; one that was not chosen itself is behind the weakest that was.
      if (!own.has(other) && other !== expert) rival = Math.max(rival, selection[at + other]!);
    }
    const isChosen = own.has(expert);
    if (!isChosen) {
      rival = Array.from(own, (other) => (other < experts ? selection[at + other]! : Infinity)).reduce(
        (a, b) => Math.min(a, b),
        Infinity,
      );
    }
    const lead = takesLargest ? selection[at + expert]! - rival : Number.NaN;
    return { token, score: scores[at + expert]!, lead, chosen: isChosen };
  });
  return found
    .toSorted((a, b) => Number(b.chosen) - Number(a.chosen) || (takesLargest ? b.lead - a.lead : b.score - a.score))
    .slice(0, SUREST)
    .map(({ score, lead, ...rest }) => ({ ...rest, score: measured(score), lead: measured(lead) }));
}
