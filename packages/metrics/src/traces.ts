/**
 * Routing traces: which experts each of some tokens went to in each layer, and with what weight. The same held-out
 * tokens, traced at several steps of a training, show how early a router settles; one trace shows what its experts
 * specialise in (`trace-measures.ts`).
 */
import { checkPositiveInteger, MAX_U32 } from './checks.ts';

const MAX_EXPERTS = 2 ** 16 - 1;
/** Fields of a trace that say how large it is. */
export const TRACE_EXTENTS = ['layers', 'experts', 'slots', 'tokens'] as const;

/**
 * Where some tokens went. A slot that holds no expert (a dropped token, a null expert, a slot left over) says M, and
 * its weight is 0.
 */
export interface RoutingTrace {
  /** Mixture-of-experts layers, in the order of the model; L. */
  readonly layers: number;
  /** Routed experts per layer; M, at most 65,535. */
  readonly experts: number;
  /** Places for an expert that each token has; S. As many as experts per token for most methods. */
  readonly slots: number;
  /** T. */
  readonly tokens: number;
  /** `[T]`, in the order in which the model read them. */
  readonly tokenIds: Int32Array;
  /** Names of the domains that the tokens come from, distinct. */
  readonly domains: readonly string[];
  /** `[T]`: index into `domains`. */
  readonly domainOf: Uint16Array;
  /** `[L, T, S]`: the experts of a token, distinct, in descending order of what they were selected by. */
  readonly chosen: Uint16Array;
  /** `[L, T, S]`. */
  readonly weights: Float32Array;
}

/** Some tokens of one domain, as a model routes them. */
export interface TracedBatch {
  readonly domain: string;
  /** `[tokens]`. */
  readonly tokenIds: ArrayLike<number>;
  /** Of each layer: experts (M where a slot holds none) and weights, both `[tokens, slots]`. */
  readonly layers: readonly { readonly experts: ArrayLike<number>; readonly weights: ArrayLike<number> }[];
}

/**
 * Puts a trace together, batch by batch, up to a number of tokens.
 *
 * ```ts
 * const recorder = new TraceRecorder({ experts: 128, limit: 4096 });
 * while (!recorder.full) recorder.add({ domain: 'wiki', tokenIds, layers });
 * const bytes = encodeTrace(recorder.trace());
 * ```
 */
export class TraceRecorder {
  readonly #experts: number;
  readonly #limit: number;
  readonly #domains: string[] = [];
  readonly #batches: { domain: number; tokens: number; batch: TracedBatch }[] = [];
  #shape: { layers: number; slots: number } | undefined;
  #recorded = 0;

  /** @param settings `experts` M; `limit` is how many tokens are kept: the first ones. */
  constructor({ experts, limit }: { readonly experts: number; readonly limit: number }) {
    checkPositiveInteger('experts', experts, MAX_EXPERTS);
    checkPositiveInteger('limit', limit);
    this.#experts = experts;
    this.#limit = limit;
  }

  /** Tokens recorded so far. */
  get tokens(): number {
    return this.#recorded;
  }

  /** Whether the limit is reached; tokens that are added then are left out. */
  get full(): boolean {
    return this.#recorded === this.#limit;
  }

  /**
   * Records tokens, as far as the limit leaves room. The arrays are kept, not copied. All batches must have the layers
   * and slots of the first.
   */
  add(batch: TracedBatch): void {
    const length = batch.tokenIds.length;
    if (length === 0) return;
    const first = batch.layers[0];
    if (first === undefined) throw new RangeError('a traced batch needs the choices of at least one layer, got none');
    const shape = this.#shape ?? { layers: batch.layers.length, slots: first.experts.length / length };
    const { layers, slots } = shape;
    if (batch.layers.length !== layers) {
      throw new RangeError(`the batch has choices of ${batch.layers.length} layers; the trace has ${layers}`);
    }
    for (const [layer, routing] of batch.layers.entries()) {
      for (const name of ['experts', 'weights'] as const) {
        if (routing[name].length !== length * slots || !Number.isInteger(slots)) {
          throw new RangeError(
            `layers[${layer}].${name} has ${routing[name].length} entries; ${length} tokens with ${slots} slots each need ${length * slots}`,
          );
        }
      }
    }
    const tokens = Math.min(length, this.#limit - this.#recorded);
    if (tokens === 0) return;
    if (!this.#domains.includes(batch.domain)) this.#domains.push(batch.domain);
    this.#batches.push({ domain: this.#domains.indexOf(batch.domain), tokens, batch });
    this.#recorded += tokens;
    this.#shape = shape;
  }

  /**
   * What was recorded so far. Throws when that is nothing, or no trace (an expert beyond M, the same one twice for a
   * token).
   */
  trace(): RoutingTrace {
    if (this.#shape === undefined) throw new Error('the recorder has no tokens yet; add a batch first');
    const { layers, slots } = this.#shape;
    const tokens = this.#recorded;
    const trace = {
      layers,
      experts: this.#experts,
      slots,
      tokens,
      tokenIds: new Int32Array(tokens),
      domains: [...this.#domains],
      domainOf: new Uint16Array(tokens),
      chosen: new Uint16Array(layers * tokens * slots),
      weights: new Float32Array(layers * tokens * slots),
    };
    let start = 0;
    for (const { domain, tokens: count, batch } of this.#batches) {
      trace.domainOf.fill(domain, start, start + count);
      for (let token = 0; token < count; token++) trace.tokenIds[start + token] = batch.tokenIds[token]!;
      for (const [layer, routing] of batch.layers.entries()) {
        const offset = (layer * tokens + start) * slots;
        for (let i = 0; i < count * slots; i++) {
          trace.chosen[offset + i] = routing.experts[i]!;
          trace.weights[offset + i] = routing.weights[i]!;
        }
      }
      start += count;
    }
    checkTrace(trace);
    return trace;
  }
}

/**
 * The tokens of a trace again as batches of one domain and at most `size` tokens, in their order: what
 * `TraceRecorder.add` takes.
 */
export function* replayTrace(trace: RoutingTrace, size: number): Generator<TracedBatch> {
  checkPositiveInteger('size', size);
  const { layers, tokens, slots, domainOf } = trace;
  for (let start = 0, end = 0; start < tokens; start = end) {
    while (end < tokens && end - start < size && domainOf[end] === domainOf[start]) end++;
    const part = <T extends Uint16Array | Float32Array>(values: T, layer: number): T =>
      values.subarray((layer * tokens + start) * slots, (layer * tokens + end) * slots) as T;
    yield {
      domain: trace.domains[domainOf[start]!]!,
      tokenIds: trace.tokenIds.subarray(start, end),
      layers: Array.from({ length: layers }, (_, layer) => ({
        experts: part(trace.chosen, layer),
        weights: part(trace.weights, layer),
      })),
    };
  }
}

/** Throws a RangeError that names the field unless the trace is one. */
export function checkTrace(trace: RoutingTrace): void {
  const { layers, slots, tokens, domains } = trace;
  for (const extent of TRACE_EXTENTS) {
    checkPositiveInteger(`trace: ${extent}`, trace[extent], extent === 'experts' ? MAX_EXPERTS : MAX_U32);
  }
  const lengths = {
    tokenIds: tokens,
    domainOf: tokens,
    chosen: layers * tokens * slots,
    weights: layers * tokens * slots,
  };
  for (const [field, length] of Object.entries(lengths)) {
    const got = trace[field as keyof typeof lengths].length;
    if (got !== length) throw new RangeError(`trace: ${field} has ${got} entries; it needs ${length}`);
  }
  if (new Set(domains).size !== domains.length) {
    throw new RangeError(`trace: names of domains must be distinct, got ${domains.join(', ')}`);
  }
  for (const [token, domain] of trace.domainOf.entries()) {
    if (domain >= domains.length) {
      throw new RangeError(`trace: domainOf[${token}] is ${domain}; there are ${domains.length} domains`);
    }
  }
  checkChoices(trace);
}

function checkChoices({ layers, experts, slots, tokens, chosen, weights }: RoutingTrace): void {
  const lastRow = new Int32Array(experts).fill(-1);
  for (let row = 0; row < layers * tokens; row++) {
    for (let i = row * slots; i < (row + 1) * slots; i++) {
      const expert = chosen[i]!;
      const weight = weights[i]!;
      if (expert > experts) refuse(`expert ${expert}; there are ${experts}, and ${experts} says an empty slot`);
      if (!Number.isFinite(weight)) refuse(`weight ${weight}; it must be finite`);
      if (expert === experts && weight !== 0) refuse(`weight ${weight} in an empty slot; it must be 0`);
      if (expert === experts) continue;
      if (lastRow[expert] === row) refuse(`expert ${expert} twice; those of a token are distinct`);
      lastRow[expert] = row;
    }

    function refuse(what: string): never {
      throw new RangeError(`trace: token ${row % tokens} has in layer ${Math.floor(row / tokens)} ${what}`);
    }
  }
}
