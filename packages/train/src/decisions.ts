/** How decided routers are about held-out tokens: entropy of their scores, and the margin of their choices. */
import { type Matrix, normalMargin, scoreReport, selectionMargin } from '@lpr/metrics';
import type { Decoder } from '@lpr/model';
import { FAR, type Router, type Routing, routerTraits } from '@lpr/moe';
import { add, type Tensor } from '@lpr/tensor';

/** Means over tokens. */
export interface RouterDecisions {
  /** Entropy of the softmax over all scores, over its maximum: `tokenEntropy` of `scoreReport`; 1 for a uniform router. */
  readonly entropy: number;
  /** `selectionMargin`: 0 for a uniform router; `NaN` where a token goes to all experts. */
  readonly margin: number;
  /** What the margin is where scores are unrelated: `normalMargin`. */
  readonly independentMargin: number;
}

/** Experts that groups keep a token from have a selection below this. */
const OUT_OF_REACH = -FAR / 2;

export class DecisionReader {
  readonly #routers: readonly Router[];
  /** Of each layer with experts: whether the largest scores say where a token goes. */
  readonly #takesLargest: readonly boolean[];

  constructor({ routers, plan }: Decoder) {
    this.#routers = routers;
    this.#takesLargest = plan.layers.flatMap(({ feedForward }) =>
      feedForward.kind === 'moe' ? [routerTraits(feedForward.router).takesLargest] : [],
    );
  }

  /** Decisions of a layer's router in evaluation, to be called inside of the scope that holds the routing. */
  async read(routing: Routing, layer: number): Promise<RouterDecisions | null> {
    if (!this.#takesLargest[layer]) return null;
    const router = this.#routers[layer]!;
    const { topK } = router;
    const [scores, selection] = await Promise.all([
      matrixOf(routing.logits ?? routing.scores),
      matrixOf(selectionOf(router, routing)),
    ]);
    // A softmax orders experts as its logits do, but is skewed where these are not.
    const chosenBy = isSoftmaxOf(selection, scores) ? scores : selection;
    return {
      entropy: scoreReport(scores, topK).tokenEntropy,
      margin: selectionMargin(chosenBy, topK, OUT_OF_REACH),
      independentMargin: normalMargin(chosenBy.columns, topK),
    };
  }
}

/** Whether every row of a matrix is the softmax of the other's, but for rounding. */
function isSoftmaxOf(matrix: ScoreMatrix, logits: ScoreMatrix): boolean {
  const { rows, columns } = logits;
  if (matrix.columns !== columns) return false;
  for (let row = 0; row < rows; row++) {
    const own = logits.values.subarray(row * columns, (row + 1) * columns);
    const most = own.reduce((a, b) => Math.max(a, b));
    const total = own.reduce((sum, logit) => sum + Math.exp(logit - most), 0);
    const agrees = own.every(
      (logit, i) => Math.abs(Math.exp(logit - most) / total - matrix.values[row * columns + i]!) < 1e-5,
    );
    if (!agrees) return false;
  }
  return true;
}

interface ScoreMatrix extends Matrix {
  readonly values: Float32Array;
}

/** What the experts of a token are the largest of. */
function selectionOf({ buffers }: Router, { scores, details }: Routing): Tensor {
  const bias = buffers.get('selection_bias');
  return details?.['selection'] ?? (bias === undefined ? scores : add(scores, bias));
}

async function matrixOf(tensor: Tensor): Promise<ScoreMatrix> {
  const [rows = 0, columns = 0] = tensor.shape;
  return { rows, columns, values: (await tensor.data()) as Float32Array };
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
