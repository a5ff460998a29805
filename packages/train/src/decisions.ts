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
  /**
   * What the margin is where scores are unrelated: `normalMargin`. `NaN` where a token goes to all experts, and where
   * groups limit it: the best of the kept groups' experts are no sample of all.
   */
  readonly independentMargin: number;
}

/** Experts that groups keep a token from have a selection below this. */
const OUT_OF_REACH = -FAR / 2;

export class DecisionReader {
  /** Of each layer with experts. */
  readonly #layers: readonly {
    readonly router: Router;
    readonly options: RouterOptions;
    readonly independentMargin: number;
  }[];

  constructor({ routers, plan }: Decoder) {
    const options = plan.layers.flatMap(({ feedForward }) => (feedForward.kind === 'moe' ? [feedForward.router] : []));
    this.#layers = routers.map((router, i) => ({
      router,
      options: options[i]!,
      independentMargin: limitsGroups(options[i]!) ? Number.NaN : normalMargin(router.experts, router.topK),
    }));
  }

  /**
   * Decisions of a layer's router in evaluation, to be called inside of the scope that holds the routing; null where
   * the largest scores do not say where a token goes.
   */
  async read(routing: Routing, layer: number): Promise<RouterDecisions | null> {
    const { router, options, independentMargin } = this.#layers[layer]!;
    if (!routerTraits(options).takesLargest) return null;
    const { topK } = router;
    const logits = routing.logits ?? routing.scores;
    // Without a bias or groups, what is selected by is at most a softmax: in the same order, but skewed.
    const isOwn = router.selectionBias === null && !limitsGroups(options);
    const [scores, selection] = await Promise.all([
      matrixOf(logits),
      isOwn ? null : matrixOf(selectionOf(routing, router)),
    ]);
    return {
      entropy: scoreReport(scores, topK).tokenEntropy,
      margin: selectionMargin(selection ?? scores, topK, OUT_OF_REACH),
      independentMargin,
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

/** A batch of tokens whose routers' decisions were read. */
interface DecidedBatch {
  readonly tokenIds: ArrayLike<number>;
  /** Of each layer; null where it has none. */
  readonly layers: readonly { readonly decisions: RouterDecisions | null }[];
}

/** The decisions of several batches as those of all their tokens, a layer each; null where a batch has none. */
export function decisionsOf(batches: readonly DecidedBatch[]): (RouterDecisions | null)[] {
  const all = batches.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
  const layers = batches[0]?.layers ?? [];
  return layers.map(({ decisions: first }, layer) => {
    if (first === null) return null;
    const mean = { entropy: 0, margin: 0, independentMargin: first.independentMargin };
    for (const { tokenIds, layers: own } of batches) {
      const { decisions } = own[layer]!;
      if (decisions === null) return null;
      mean.entropy += (tokenIds.length / all) * decisions.entropy;
      mean.margin += (tokenIds.length / all) * decisions.margin;
    }
    return mean;
  });
}
