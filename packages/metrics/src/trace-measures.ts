/**
 * Measures of routing traces: what experts specialise in, which work together, and how routing changes. Of one layer
 * each; slots that hold no expert count for nothing.
 */
import type { RoutingTrace } from './traces.ts';

/** Loads of a layer's experts, `[M]`. */
export function traceLoads(trace: RoutingTrace, layer: number): Float64Array {
  const loads = new Float64Array(trace.experts);
  eachChoice(trace, layer, (expert) => loads[expert]!++);
  return loads;
}

/**
 * Gate mass of a layer's experts, `[M]`: the sum of the weights with which they were chosen. Kept apart from loads: an
 * expert may be busy and hardly heard.
 */
export function traceGateMass(trace: RoutingTrace, layer: number): Float64Array {
  const mass = new Float64Array(trace.experts);
  eachToken(trace, layer, (_, token) =>
    weightsOf(trace, layer, token).forEach((weight, expert) => (mass[expert]! += weight)),
  );
  return mass;
}

/** Joint counts of experts and vocabulary. */
export interface ExpertTokenCounts {
  /** The token ids that occur, ascending; V of them. */
  readonly tokenIds: Int32Array;
  /** `[V]`: how often each occurs. */
  readonly occurrences: Float64Array;
  /** `[M][V]`: how often each expert got each, as `mutualInformation` takes them. */
  readonly joint: Float64Array[];
}

/** How often each expert got each token id that occurs. */
export function expertTokenCounts(trace: RoutingTrace, layer: number): ExpertTokenCounts {
  const tokenIds = Int32Array.from(new Set(trace.tokenIds)).sort();
  const placeOf = new Map(Array.from(tokenIds, (id, place) => [id, place]));
  const places = trace.tokenIds.map((id) => placeOf.get(id)!);
  const occurrences = new Float64Array(tokenIds.length);
  for (const place of places) occurrences[place]!++;
  const joint = table(trace.experts, tokenIds.length);
  eachChoice(trace, layer, (expert, token) => joint[expert]![places[token]!]!++);
  return { tokenIds, occurrences, joint };
}

/** Which experts see the same tokens. */
export interface CoActivation {
  /** `[M][M]`: N_ij, tokens that went to both i and j; N_ii is the load of i. Symmetric. */
  readonly counts: Float64Array[];
  /**
   * `[M][M]`: `P(j | i) = N_ij / N_i` from 0 to 1, 1 on the diagonal; a row of `NaN` for an expert without tokens.
   * Unrelated experts: about `(k - 1) / (M - 1)`.
   */
  readonly conditional: Float64Array[];
}

/** Co-activation over all pairs of a token's experts, not of adjacent ranks alone. */
export function coActivation(trace: RoutingTrace, layer: number): CoActivation {
  const counts = table(trace.experts, trace.experts);
  eachToken(trace, layer, (chosen) => {
    for (const i of chosen) for (const j of chosen) counts[i]![j]!++;
  });
  return { counts, conditional: counts.map((row, i) => row.map((count) => count / row[i]!)) };
}

/** Settings of `vocabularySpecialisation`. */
export interface VocabularySpecialisationOptions {
  /** Rarer token ids are left out: an id that occurs once always has share 1. Default 8. */
  readonly minimumOccurrences?: number;
}

/**
 * Vocabulary specialisation of each expert, `[M]`: the share `count(i, x) / count(x)` of a token id's occurrences that
 * go to expert i, averaged over the tokens that i got. From the expert's share of all tokens (the id does not matter; k
 * / M when balanced) to 1 (it has every occurrence of its ids). `NaN` for an expert without such tokens.
 */
export function vocabularySpecialisation(
  trace: RoutingTrace,
  layer: number,
  { minimumOccurrences = 8 }: VocabularySpecialisationOptions = {},
): Float64Array {
  const { occurrences, joint } = expertTokenCounts(trace, layer);
  return Float64Array.from(joint, (counts) => {
    let [shares, tokens] = [0, 0];
    for (const [place, count] of counts.entries()) {
      if (occurrences[place]! < minimumOccurrences) continue;
      shares += (count * count) / occurrences[place]!;
      tokens += count;
    }
    return shares / tokens;
  });
}

/**
 * Router saturation (OLMoE, section 5): mean over tokens of `|S_t and S_final| / |S_final|`, S the experts of a token
 * at a step and at the end of training. One share a layer, from 0 to 1; random routing scores about k / M. Tokens
 * without an expert at the end are left out. Throws unless both traces are of the same tokens.
 */
export function saturation(trace: RoutingTrace, final: RoutingTrace): Float64Array {
  checkSameTokens(trace, final);
  return Float64Array.from({ length: trace.layers }, (_, layer) => {
    let [shares, tokens] = [0, 0];
    eachToken(final, layer, (last, token) => {
      if (last.length === 0) return;
      const own = expertsOf(trace, layer, token);
      shares += last.filter((expert) => own.includes(expert)).length / last.length;
      tokens++;
    });
    return shares / tokens;
  });
}

/** How two traces of the same tokens differ in one layer. */
export interface LayerDifference {
  /** Share of the tokens that have the same set of experts, from 0 to 1. */
  readonly sameExperts: number;
  /** Mean over tokens of `1/2 sum_e |w_e - w'_e|`: from 0, for weights that sum to 1 to 1. */
  readonly movedWeight: number;
  /** Largest difference of a weight. 0 in all layers: the traces route exactly alike. */
  readonly largestDifference: number;
}

/** Compares two traces layer by layer. Throws unless both are of the same tokens. */
export function compareTraces(a: RoutingTrace, b: RoutingTrace): LayerDifference[] {
  checkSameTokens(a, b);
  return Array.from({ length: a.layers }, (_, layer) => {
    let [same, moved, largest] = [0, 0, 0];
    for (let token = 0; token < a.tokens; token++) {
      const weights = [weightsOf(a, layer, token), weightsOf(b, layer, token)] as const;
      const experts = new Set([...weights[0].keys(), ...weights[1].keys()]);
      if (experts.size === weights[0].size && experts.size === weights[1].size) same++;
      for (const expert of experts) {
        const difference = Math.abs((weights[0].get(expert) ?? 0) - (weights[1].get(expert) ?? 0));
        moved += difference / 2;
        largest = Math.max(largest, difference);
      }
    }
    return { sameExperts: same / a.tokens, movedWeight: moved / a.tokens, largestDifference: largest };
  });
}

/** Throws a RangeError unless two traces are of the same tokens, layers and experts. */
export function checkSameTokens(a: RoutingTrace, b: RoutingTrace): void {
  for (const extent of ['layers', 'experts', 'tokens'] as const) {
    if (a[extent] !== b[extent]) {
      throw new RangeError(`the traces cannot be compared: one has ${a[extent]} ${extent}, the other ${b[extent]}`);
    }
  }
  const at = a.tokenIds.findIndex((id, token) => id !== b.tokenIds[token]);
  if (at >= 0) {
    throw new RangeError(
      `the traces cannot be compared: token ${at} is ${a.tokenIds[at]} in one and ${b.tokenIds[at]} in the other`,
    );
  }
}

/** A table of zeros. */
export function table(rows: number, columns: number): Float64Array[] {
  return Array.from({ length: rows }, () => new Float64Array(columns));
}

/** The experts of a token in a layer. */
export function expertsOf(trace: RoutingTrace, layer: number, token: number): number[] {
  const { layers, tokens, slots, experts, chosen } = trace;
  if (!(Number.isInteger(layer) && layer >= 0 && layer < layers)) {
    throw new RangeError(`layer is ${layer}; the trace has layers 0 to ${layers - 1}`);
  }
  const start = (layer * tokens + token) * slots;
  return Array.from(chosen.subarray(start, start + slots)).filter((expert) => expert < experts);
}

function weightsOf(trace: RoutingTrace, layer: number, token: number): Map<number, number> {
  const start = (layer * trace.tokens + token) * trace.slots;
  const pairs = Array.from({ length: trace.slots }, (_, slot): [number, number] => [
    trace.chosen[start + slot]!,
    trace.weights[start + slot]!,
  ]);
  return new Map(pairs.filter(([expert]) => expert < trace.experts));
}

function eachToken(trace: RoutingTrace, layer: number, visit: (experts: number[], token: number) => void): void {
  for (let token = 0; token < trace.tokens; token++) visit(expertsOf(trace, layer, token), token);
}

/** Visits every expert of every token of a layer. */
export function eachChoice(trace: RoutingTrace, layer: number, visit: (expert: number, token: number) => void): void {
  eachToken(trace, layer, (experts, token) => experts.forEach((expert) => visit(expert, token)));
}
