/**
 * Where tokens of different kinds go: of different domains, at different places in a sequence, frequent and rare ones.
 * Each kind is a group; what a layer's experts get of each group is to be read against what they get of all tokens, and
 * the information about the group that the choice of an expert holds against what is left of it when tokens are put
 * into groups at random.
 */
import { checkPositiveInteger } from './checks.ts';
import { mutualInformation } from './specialisation.ts';
import { eachChoice, table } from './trace-measures.ts';
import type { RoutingTrace } from './traces.ts';

/** Tokens by what kind they are of. */
export interface TokenGroups {
  /** What each group is called; no group without tokens, but for a domain. */
  readonly names: readonly string[];
  /** `[T]`: index into `names`. */
  readonly of: ArrayLike<number>;
}

/** Parts that places and frequencies are divided into. */
const PARTS = 8;

/** Tokens by the domain of their text. */
export function domainGroups({ domains, domainOf }: RoutingTrace): TokenGroups {
  return { names: domains, of: domainOf };
}

/**
 * Places in a sequence, counted from 0, in up to `parts` ranges of equal length.
 *
 * @param sequence tokens in each sequence; those of a domain are read one whole sequence after the other
 */
export function positionGroups(trace: RoutingTrace, sequence: number, parts: number = PARTS): TokenGroups {
  checkPositiveInteger('sequence', sequence);
  checkPositiveInteger('parts', parts);
  const seen = trace.domains.map(() => 0);
  const positions = Array.from(trace.domainOf, (domain) => seen[domain]!++ % sequence);
  const length = Math.ceil(sequence / parts);
  const last = positions.reduce((a, b) => Math.max(a, b));
  return {
    names: Array.from({ length: Math.floor(last / length) + 1 }, (_, part) =>
      rangeName(part * length, Math.min((part + 1) * length, sequence) - 1),
    ),
    of: positions.map((position) => Math.floor(position / length)),
  };
}

/**
 * Token ids by how often they occur in the trace, rank 1 the most frequent, in up to `parts` ranges of ranks that have
 * about equally many tokens each; an id is in one range.
 */
export function frequencyGroups({ tokenIds, tokens }: RoutingTrace, parts: number = PARTS): TokenGroups {
  checkPositiveInteger('parts', parts);
  const occurrences = new Map<number, number>();
  for (const id of tokenIds) occurrences.set(id, (occurrences.get(id) ?? 0) + 1);
  const ranked = Array.from(occurrences).toSorted(([a, x], [b, y]) => y - x || a - b);
  const groupOf = new Map<number, number>();
  const ranges: { first: number; last: number; part: number }[] = [];
  let before = 0;
  for (const [rank, [id, count]] of ranked.entries()) {
    // By the middle of its occurrences, so that one that fills several parts is in the middle of them.
    const part = Math.floor((parts * (before + count / 2)) / tokens);
    if (ranges.at(-1)?.part === part) ranges.at(-1)!.last = rank + 1;
    else ranges.push({ first: rank + 1, last: rank + 1, part });
    groupOf.set(id, ranges.length - 1);
    before += count;
  }
  return {
    names: ranges.map(({ first, last }) => rangeName(first, last)),
    of: Array.from(tokenIds, (id) => groupOf.get(id)!),
  };
}

function rangeName(first: number, last: number): string {
  return first === last ? String(first) : `${first}-${last}`;
}

/** Joint counts of experts and groups, `[M][groups]`, as `mutualInformation` takes them. */
export function expertGroupCounts(trace: RoutingTrace, layer: number, groups: TokenGroups): Float64Array[] {
  const joint = table(trace.experts, groups.names.length);
  eachChoice(trace, layer, (expert, token) => joint[expert]![groups.of[token]!]!++);
  return joint;
}

/**
 * `[groups][M]`: the share of each group's tokens that go to each expert, from 0 to 1. Where groups do not matter every
 * row is about that of all tokens, `N_e / T`: k / M only where loads are even. `NaN` for a group without tokens.
 */
export function groupShares(trace: RoutingTrace, layer: number, groups: TokenGroups): Float64Array[] {
  const tokens = sizesOf(groups);
  const joint = expertGroupCounts(trace, layer, groups);
  return groups.names.map((_, group) => Float64Array.from(joint, (row) => row[group]! / tokens[group]!));
}

/**
 * Domain specialisation, `[domains][M]`: `count(i, D) / count(D)`, the share of domain D's tokens that go to expert i
 * (OLMoE, arXiv 2409.02060, section 5), as `groupShares`.
 */
export function domainSpecialisation(trace: RoutingTrace, layer: number): Float64Array[] {
  return groupShares(trace, layer, domainGroups(trace));
}

/** What the choice of an expert says of the group. */
export interface GroupInformation {
  /** I(expert; group) in nats, as `mutualInformation`. */
  readonly nats: number;
  /** What it is on average where tokens are put into the groups at random. */
  readonly independent: number;
}

/**
 * Information about the group of a token in the choice of an expert, beside its level under independence. Over all ways
 * to deal the tokens, each with all of its experts, into groups of the sizes that they have, Pearson's chi-square is
 * `(M' - k) (G - 1) T / (T - 1)` on average, exactly, with M' experts and G groups that have tokens, and k experts a
 * token; the information is about `1 / (2 N)` of it with N = k T choices, as long as each expert expects a few tokens
 * of each group.
 */
export function groupInformation(trace: RoutingTrace, layer: number, groups: TokenGroups): GroupInformation {
  const joint = expertGroupCounts(trace, layer, groups);
  const loads = joint.map((row) => row.reduce((sum, count) => sum + count, 0));
  const choices = loads.reduce((sum, load) => sum + load, 0);
  const { tokens } = trace;
  const used = loads.filter((load) => load > 0).length;
  const filled = sizesOf(groups).filter((size) => size > 0).length;
  const chiSquare = tokens === 1 ? 0 : ((used - choices / tokens) * (filled - 1) * tokens) / (tokens - 1);
  return { nats: mutualInformation(joint), independent: chiSquare / (2 * choices) };
}

function sizesOf({ names, of }: TokenGroups): Float64Array {
  const sizes = new Float64Array(names.length);
  for (let token = 0; token < of.length; token++) sizes[of[token]!]!++;
  return sizes;
}
