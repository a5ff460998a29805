/**
 * Cluster-driven expert pruning, after C-Prune (Guo et al. 2025, arXiv 2504.07807): experts that are alike are
 * redundant, and layers differ in how alike their experts are.
 *
 * 1. Within a layer, experts are clustered by the cosine of their parameters. All layers are cut at one similarity, so
 *    that a layer of alike experts is left with fewer clusters; in all, a share (half) of the experts that are to go
 *    are gone then.
 * 2. A cluster's importance is the share of the layer's mixing weights that its experts have on a text. The least
 *    important clusters go, until the number to keep is left; where a layer has fewer, they are divided again.
 * 3. Of each cluster the most important expert stays, with its row of the router.
 *
 * The source keeps different numbers in different layers; the keys of `config.json` have one for all, so here every
 * layer keeps equally many, and the report says how many the common cut alone would have left. Nothing is trained or
 * averaged.
 */
import { type DecoderConfig, decoderParameters, planDecoder, type Weight, withExperts } from '@lpr/model';
import { type RouterOptions, routerTraits } from '@lpr/moe';
import { UsageError } from '../cli/errors.ts';
import { clustersAfter, cosinesOf, type Merge, mergesOf } from './clusters.ts';

export interface PrunedLayer {
  readonly layer: number;
  /** The experts that stay, by their numbers before. */
  readonly kept: readonly number[];
  /** Which experts each of them stands for, itself among them; those of clusters that went are in none. */
  readonly clusters: readonly (readonly number[])[];
  /** Of every expert before: its share of the mixing weights. */
  readonly importance: readonly number[];
  /** Mean cosine of two experts' parameters. */
  readonly similarity: number;
  /** Clusters that the cut common to all layers leaves here. */
  readonly clustersAtCommonCut: number;
}

export interface PrunedModel {
  readonly config: DecoderConfig;
  readonly weights: ReadonlyMap<string, Weight>;
  readonly layers: readonly PrunedLayer[];
}

/** Throws a UsageError where that many experts cannot be kept. */
export function checkKept(config: DecoderConfig, keep: number): void {
  mixtureLayers(config, keep);
}

/**
 * Config and weights with `keep` experts in every layer that has any, where `checkKept` lets it.
 *
 * @param weights of a decoder of that config, by their Hugging Face names
 * @param importance of each expert of each layer with experts
 * @param redundant the share of the experts to go that goes by similarity; the others go by importance
 */
export function pruneExperts(
  config: DecoderConfig,
  weights: ReadonlyMap<string, Weight>,
  importance: readonly (readonly number[])[],
  { keep, redundant = 0.5 }: { readonly keep: number; readonly redundant?: number },
): PrunedModel {
  const layers = mixtureLayers(config, keep);
  const parts = layers.flatMap((own, i) => own.groups.map((experts) => ({ ...treeOf(own, weights, experts), i })));
  const clusters = clustersAtCommonCut(
    parts.map(({ merges }) => merges),
    Math.round(redundant * parts.length * (parts[0]!.experts.length - keep / layers[0]!.groups.length)),
  );
  const pruned = layers.map(({ layer }, i): PrunedLayer => {
    const own = parts.flatMap((part, at) => (part.i === i ? [{ ...part, left: clusters[at]! }] : []));
    const kept = own
      .flatMap((part) => keptOf(part, importance[i]!, keep / own.length))
      .toSorted((a, b) => a.expert - b.expert);
    return {
      layer,
      kept: kept.map(({ expert }) => expert),
      clusters: kept.map(({ cluster }) => cluster),
      importance: importance[i]!,
      similarity: own.reduce((sum, part) => sum + part.similarity / own.length, 0),
      clustersAtCommonCut: own.reduce((sum, { left }) => sum + left, 0),
    };
  });
  const smaller = withExperts(config, keep);
  return { config: smaller, weights: keptWeights(smaller, weights, pruned), layers: pruned };
}

interface MixtureLayer {
  readonly layer: number;
  /** What the names of an expert's matrices begin with, before its number. */
  readonly prefix: string;
  /** Experts that a token chooses among together, each group by itself; mostly one group of all. */
  readonly groups: readonly (readonly number[])[];
}

function mixtureLayers(config: DecoderConfig, keep: number): MixtureLayer[] {
  const layers = planDecoder(config).layers.flatMap(({ feedForward }, layer) =>
    feedForward.kind === 'moe' ? [{ layer, plan: feedForward }] : [],
  );
  const [first] = layers;
  if (first === undefined) throw new UsageError('the model has no experts');
  const { router, experts, topK } = first.plan;
  const traits = routerTraits(router);
  if (traits.expertTensors.length === 0) {
    throw new UsageError(`the router ${router.kind} has no row for each expert, so none can be taken out of it`);
  }
  const least = traits.onlyTopK === 'all' ? 1 : topK;
  if (keep < least || keep >= experts) {
    throw new UsageError(`--keep ${keep}: give at least ${least} (experts a token) and fewer than ${experts}`);
  }
  const groups = groupsOf(router);
  if (keep % groups !== 0) {
    throw new UsageError(`--keep ${keep}: experts are in ${groups} groups of equal size; give a multiple of ${groups}`);
  }
  const size = experts / groups;
  return layers.map(({ layer, plan: { name } }) => ({
    layer,
    prefix: `model.layers.${layer}.${name}.experts.`,
    groups: Array.from({ length: groups }, (_, g) => Array.from({ length: size }, (__, i) => g * size + i)),
  }));
}

function groupsOf(router: RouterOptions): number {
  return 'groups' in router ? router.groups : 1;
}

interface Tree {
  /** By number in the layer. */
  readonly experts: readonly number[];
  /** Of places in `experts`. */
  readonly merges: readonly Merge[];
  readonly similarity: number;
}

function treeOf({ prefix }: MixtureLayer, weights: ReadonlyMap<string, Weight>, experts: readonly number[]): Tree {
  const rows = experts.map((expert) => {
    const own = [...weights].filter(([name]) => name.startsWith(`${prefix}${expert}.`)).map(([, { data }]) => data);
    const row = new Float32Array(own.reduce((length, { length: more }) => length + more, 0));
    let at = 0;
    for (const data of own) {
      row.set(data, at);
      at += data.length;
    }
    return row;
  });
  const cosines = cosinesOf(rows);
  const count = experts.length;
  const pairs = count * (count - 1);
  const all = Array.from(cosines.values).reduce((sum, value) => sum + value, 0);
  return { experts, merges: mergesOf(cosines), similarity: pairs === 0 ? 0 : (all - count) / pairs };
}

/** How many clusters each tree has when that many merges are made in all, the most alike first. */
function clustersAtCommonCut(trees: readonly (readonly Merge[])[], count: number): number[] {
  const all = trees.flatMap((merges, tree) => merges.map(({ similarity }) => ({ similarity, tree })));
  const made = all.toSorted((a, b) => b.similarity - a.similarity).slice(0, count);
  return trees.map((merges, tree) => merges.length + 1 - made.filter((merge) => merge.tree === tree).length);
}

interface Kept {
  readonly expert: number;
  readonly cluster: readonly number[];
}

/** The most important expert of each of the most important clusters. */
function keptOf(
  { experts, merges, left }: Tree & { readonly left: number },
  importance: readonly number[],
  keep: number,
): Kept[] {
  const most = (cluster: readonly number[]): number =>
    cluster.reduce((best, expert) => (importance[expert]! > importance[best]! ? expert : best));
  return clustersAfter(merges, experts.length, Math.max(keep, left))
    .map((places) => places.map((place) => experts[place]!))
    .map((cluster) => ({ cluster, total: cluster.reduce((sum, expert) => sum + importance[expert]!, 0) }))
    .toSorted((a, b) => b.total - a.total)
    .slice(0, keep)
    .map(({ cluster }) => ({ expert: most(cluster), cluster }));
}

/** The weights of the smaller model, out of those of the larger one. */
function keptWeights(
  config: DecoderConfig,
  weights: ReadonlyMap<string, Weight>,
  pruned: readonly PrunedLayer[],
): ReadonlyMap<string, Weight> {
  const { layers } = planDecoder(config);
  const kept = new Map(pruned.map((own) => [own.layer, own.kept]));
  const find = (name: string): Weight => {
    const [, layer, block, rest] = /^model\.layers\.(\d+)\.(\w+)\.(.+)$/.exec(name) ?? [];
    const numbers = kept.get(Number(layer));
    const plan = layers[Number(layer)]?.feedForward;
    if (numbers === undefined || plan?.kind !== 'moe' || block !== plan.name) return weights.get(name)!;
    const [, expert, matrix] = /^experts\.(\d+)\.(.+)$/.exec(rest!) ?? [];
    if (expert !== undefined) {
      return weights.get(`model.layers.${layer}.${block}.experts.${numbers[Number(expert)]!}.${matrix}`)!;
    }
    const ofExperts = routerTraits(plan.router).expertTensors.some((tensor) => rest === `gate.${tensor}`);
    return ofExperts ? rowsOf(weights.get(name)!, numbers) : weights.get(name)!;
  };
  const names = decoderParameters(planDecoder(config)).flatMap(({ pieces }) => pieces.map(({ name }) => name));
  return new Map(names.map((name) => [name, find(name)]));
}

function rowsOf({ shape: [rows = 0, ...extents], data }: Weight, numbers: readonly number[]): Weight {
  const width = data.length / rows;
  const kept = new Float32Array(numbers.length * width);
  numbers.forEach((row, i) => kept.set(data.subarray(row * width, (row + 1) * width), i * width));
  return { shape: [numbers.length, ...extents], data: kept };
}
