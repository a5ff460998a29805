/**
 * A batch in parts. When the gradients of a step are added up over micro-batches, most loss terms are means over
 * tokens, and their means over the parts are those of the whole. Some are not: a product of two means, the Gram matrix
 * of all latents. These read a few sums over the whole batch, which a survey of all parts, without gradients, finds
 * beforehand. The updates of routers after a step read the same sums.
 */
import { add, cast, concatenate, type Tensor } from '@lpr/tensor';
import { withoutGradients } from '@lpr/tensor/nn';
import type { Routing } from './router.ts';

/** What losses and updates read of the tokens of a batch, beyond means of their own. */
export interface RoutingStatistics {
  readonly tokens: number;
  /** Sums over tokens by name; `counts` f32 `[M]`, the load, is always there. Those of parts add up. */
  readonly sums: Readonly<Record<string, Tensor>>;
  /** A row for each token, `[tokens, ...]`, by name; those of parts follow each other. */
  readonly rows: Readonly<Record<string, Tensor>>;
}

/** The tokens of one part in a whole batch. */
export interface BatchPart {
  /** Tokens of the batch before this part. Noise is that of the whole batch from there on. */
  readonly first: number;
  /** Tokens of the whole batch. */
  readonly tokens: number;
  /**
   * Of the whole batch. Without them, terms that are no mean over tokens take the part for the whole, so that they
   * depend on how the batch is split.
   */
  readonly statistics?: RoutingStatistics;
}

/** The statistics of routed tokens. The sums `balance` are the counts of its balance statistics. */
export function statisticsOf({ experts, counts, balance, sums, rows }: Routing): RoutingStatistics {
  const count = (of: Tensor): Tensor => withoutGradients(of.device, () => cast(of, 'f32'));
  return {
    tokens: experts.shape[0]!,
    sums: { ...(balance === undefined ? {} : { balance: count(balance.counts) }), ...sums, counts: count(counts) },
    rows: rows ?? {},
  };
}

/** Those of a whole batch, layer by layer, from those of its parts in their order; at least one. */
export function mergeStatistics(parts: readonly (readonly RoutingStatistics[])[]): readonly RoutingStatistics[] {
  const [first, ...others] = parts;
  if (first === undefined) throw new RangeError('mergeStatistics: got no parts; a batch has at least one');
  if (others.length === 0) return first;
  return first.map((own, layer) => {
    const all = parts.map((part) => part[layer]!);
    const merged = (of: 'sums' | 'rows', merge: (tensors: readonly Tensor[]) => Tensor): Record<string, Tensor> =>
      Object.fromEntries(
        Object.entries(own[of]).map(([name, { device }]) => [
          name,
          withoutGradients(device, () => merge(all.map((each) => each[of][name]!))),
        ]),
      );
    return {
      tokens: all.reduce((tokens, each) => tokens + each.tokens, 0),
      sums: merged('sums', (tensors) => tensors.reduce((a, b) => add(a, b))),
      rows: merged('rows', (tensors) => concatenate(tensors, 0)),
    };
  });
}

/** A sum or the rows over the whole batch: what a part was told, or else its own. */
export function overWhole(part: BatchPart | undefined, of: 'sums' | 'rows', name: string, own: Tensor): Tensor {
  if (part?.statistics === undefined) return own;
  const known = part.statistics[of][name];
  if (known !== undefined) return known;
  throw new Error(
    `the statistics of the whole batch have no ${of} "${name}"; survey it with the router that reads them`,
  );
}

/** How many tokens `own` statistics of a part stand for. */
export function tokensOfWhole(part: BatchPart | undefined, own: number): number {
  return part?.statistics === undefined ? own : part.statistics.tokens;
}
