/** How a model routes some tokens, beside what it would by chance; and how it routed the same tokens before. */
import {
  compareTraces,
  frequencyGroups,
  gini,
  groupInformation,
  independentOverlap,
  maxViolations,
  positionGroups,
  type RoutingTrace,
  saturation,
  traceGateMass,
  traceLoads,
} from '@lpr/metrics';
import {
  type LayerRouting,
  type LayerStability,
  LATENT_DIM,
  levelSize,
  routedWindow,
  simulateLevels,
} from '@lpr/report/tables';
import { filesIn, readTraces } from '@lpr/runs';
import { decisionsOf, type RoutedBatch } from '@lpr/train';

/** Loads of single batches, all of one size. */
export class BatchLoads {
  /** Tokens of each. */
  tokens = 0;
  /** `[batches][layers][experts]` */
  #batches: (readonly Int32Array[])[] = [];

  /** Batches that are smaller than others, as the last of a text may be, are left out: their loads are less even. */
  add(counts: readonly Int32Array[], tokens: number): void {
    if (tokens < this.tokens) return;
    if (tokens > this.tokens) this.#batches = [];
    this.tokens = tokens;
    this.#batches.push(counts);
  }

  ofLayer(layer: number): Int32Array[] {
    return this.#batches.map((counts) => counts[layer]!);
  }

  /** MaxVio of a uniform router in such a batch, the mean over layers; null where no token reached an expert. */
  floor(): number | null {
    const size = levelSize(routedWindow(this.#batches[0] ?? [], this.tokens), LATENT_DIM);
    return size === null ? null : simulateLevels(size).samplingFloor.maxViolation.mean;
  }
}

/**
 * Of every layer.
 *
 * @param trace of the routed batches
 * @param sequence tokens in each sequence
 */
export function layerRoutings(
  trace: RoutingTrace,
  routed: readonly RoutedBatch[],
  loads: BatchLoads,
  sequence: number,
): LayerRouting[] {
  const [positions, frequencies] = [positionGroups(trace, sequence), frequencyGroups(trace)];
  const decisions = decisionsOf(routed);
  return Array.from({ length: trace.layers }, (_, layer) => ({
    decisions: decisions[layer] ?? null,
    massGini: gini(traceGateMass(trace, layer)),
    loadGini: gini(traceLoads(trace, layer)),
    position: groupInformation(trace, layer, positions),
    frequency: groupInformation(trace, layer, frequencies),
    maxViolations: maxViolations(loads.ofLayer(layer)),
  }));
}

/** Two routings of the same held-out tokens. */
export interface RoutingStability {
  readonly from: number;
  readonly to: number;
  readonly tokens: number;
  readonly layers: readonly LayerStability[];
}

/** The routing that a run kept at a step against that of its evaluation before; null where it kept no two. */
export async function stabilityOf(run: string, step: number): Promise<RoutingStability | null> {
  const traces = (await readTraces(filesIn(run))).value?.steps ?? [];
  const at = traces.findIndex((each) => each.step === step);
  const [before, now] = [traces[at - 1], traces[at]];
  if (before === undefined || now === undefined) return null;
  const kept = saturation(now.trace, before.trace);
  const independent = independentOverlap(now.trace, before.trace);
  return {
    from: before.step,
    to: step,
    tokens: now.trace.tokens,
    layers: compareTraces(before.trace, now.trace).map(({ sameExperts, movedWeight }, layer) => ({
      kept: kept[layer]!,
      independent: independent[layer]!,
      sameExperts,
      movedWeight,
    })),
  };
}
