/** How decided routers are about held-out tokens: entropy of their scores, and the margin of their choices. */
import { type Matrix, normalMargin, scoreReport, selectionMargin } from '@lpr/metrics';
import type { Decoder } from '@lpr/model';
import { FAR, type Router, type RouterOptions, type Routing, routerTraits, selectionOf } from '@lpr/moe';
import type { Tensor } from '@lpr/tensor';

/** Means over tokens. */
export interface RouterDecisions {
  /** Entropy of the softmax over all scores over the largest there is (`scoreReport`): 1 for a uniform router. */
  readonly entropy: number;
  /** `selectionMargin`: 0 for a uniform router; `NaN` where a token goes to all experts. */
  readonly margin: number;
  /** What the margin is where scores are unrelated: `normalMargin`. */
  readonly independentMargin: number;
}

/** Experts that groups keep a token from have a selection below this. */
const OUT_OF_REACH = -FAR / 2;

export class DecisionReader {
  /** Of each layer with experts. */
  readonly #layers: readonly { readonly router: Router; readonly options: RouterOptions }[];

  constructor({ routers, plan }: Decoder) {
    const options = plan.layers.flatMap(({ feedForward }) => (feedForward.kind === 'moe' ? [feedForward.router] : []));
    this.#layers = routers.map((router, i) => ({ router, options: options[i]! }));
  }

  /**
   * Decisions of a layer's router in evaluation, to be called inside of the scope that holds the routing; null where
   * the largest scores do not say where a token goes.
   */
  async read(routing: Routing, layer: number): Promise<RouterDecisions | null> {
    const { router, options } = this.#layers[layer]!;
    if (!routerTraits(options).takesLargest) return null;
    const { topK } = router;
    const logits = routing.logits ?? routing.scores;
    // Without a bias or groups, what is selected by is at most a softmax: in the same order, but skewed.
    const isOwn = router.selectionBias === null && !limitsGroups(options);
    const [scores, selection] = await Promise.all([
      matrixOf(logits),
      isOwn ? null : matrixOf(selectionOf(routing, router)),
    ]);
    const chosenBy = selection ?? scores;
    return {
      entropy: scoreReport(scores, topK).tokenEntropy,
      margin: selectionMargin(chosenBy, topK, OUT_OF_REACH),
      independentMargin: normalMargin(chosenBy.columns, topK),
    };
  }
}

function limitsGroups(options: RouterOptions): boolean {
  return 'keptGroups' in options && options.keptGroups < options.groups;
}

async function matrixOf(tensor: Tensor): Promise<Matrix> {
  const [rows = 0, columns = 0] = tensor.shape;
  return { rows, columns, values: await tensor.data() };
}

/** The decisions of several batches of one layer as those of all their tokens; null where one has none. */
export function meanDecisions(
  batches: readonly { readonly tokens: number; readonly decisions: RouterDecisions | null }[],
): RouterDecisions | null {
  const all = batches.reduce((sum, { tokens }) => sum + tokens, 0);
  const mean = { entropy: 0, margin: 0, independentMargin: 0 };
  for (const { tokens, decisions } of batches) {
    if (decisions === null) return null;
    mean.entropy += (tokens / all) * decisions.entropy;
    mean.margin += (tokens / all) * decisions.margin;
    mean.independentMargin += (tokens / all) * decisions.independentMargin;
  }
  return batches.length === 0 ? null : mean;
}
