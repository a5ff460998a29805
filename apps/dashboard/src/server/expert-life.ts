/** What the files of a run say of the life of one expert: until when it got tokens, and which were the last. */
import { decodeLoads, type RoutingTrace } from '@lpr/metrics';
import { type LoadsInfo, type RunFollower, readTrace, type RunFiles, traceSteps } from '@lpr/runs';
import type { ExpertLife } from '../api.ts';

/** Windows that are read at once, from the newest back. */
const WINDOWS = 512;
/** Traces that are read at most, the newest ones. */
const MOST_TRACES = 24;
const MOST_TOKENS = 16;

/**
 * The life of an expert as far as it is written down. Training leaves counts alone: which tokens an expert got is known
 * of the held-out tokens of the traces.
 *
 * @param layer index of the layer among those with experts
 * @param textsOf writes token ids out
 * @throws RangeError where there is no such expert
 */
export async function expertLife(
  { follower, files }: { readonly follower: RunFollower; readonly files: RunFiles },
  { layer, expert }: { readonly layer: number; readonly expert: number },
  textsOf: (ids: readonly number[]) => Promise<readonly string[]>,
): Promise<ExpertLife> {
  const info = await follower.loads();
  return {
    training: info === null || info.windows === 0 ? null : await inTraining(follower, info, layer, expert),
    heldOut: await onHeldOut(files, layer, expert, textsOf),
  };
}

async function inTraining(
  follower: RunFollower,
  info: LoadsInfo,
  layer: number,
  expert: number,
): Promise<ExpertLife['training']> {
  if (layer >= info.layers || expert >= info.experts) {
    throw new RangeError(
      `layer ${layer} has no expert ${expert}: the run has ${info.layers} layers with experts 0 to ${info.experts - 1}`,
    );
  }
  const newest = info.windows - 1;
  let tokensSince = 0;
  let step: number | null = null;
  for (let to = newest; to >= 0; to -= WINDOWS) {
    const from = Math.max(0, to - WINDOWS + 1);
    // One before, which says where the first window began.
    const first = Math.max(0, from - 1);
    const { windows } = decodeLoads(await follower.windows({ from: first, to, points: to - first + 1, layer }));
    step ??= windows.at(-1)!.step;
    for (let i = windows.length - 1; i >= from - first; i--) {
      const window = windows[i]!;
      const load = window.counts[0]![expert]!;
      if (load > 0) {
        const last = { after: windows[i - 1]?.step ?? 0, step: window.step, load, tokens: window.tokens };
        return { windows: info.windows, step, last, tokensSince };
      }
      tokensSince += window.tokens;
    }
  }
  return { windows: info.windows, step: step ?? 0, last: null, tokensSince };
}

async function onHeldOut(
  files: RunFiles,
  layer: number,
  expert: number,
  textsOf: (ids: readonly number[]) => Promise<readonly string[]>,
): Promise<ExpertLife['heldOut']> {
  const steps = (await traceSteps(files)).slice(-MOST_TRACES).toReversed();
  const [step] = steps;
  if (step === undefined) return null;
  for (const each of steps) {
    const trace = await readTrace(files, each);
    // One that is damaged says nothing; the one before may.
    if (trace === null) continue;
    const counts = tokensOf(trace, layer, expert);
    if (counts.size === 0) continue;
    const most = Array.from(counts)
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, MOST_TOKENS);
    const texts = await textsOf(most.map(([id]) => id)).catch(() => most.map(([id]) => `token ${id}`));
    const tokens = Array.from(counts.values()).reduce((sum, count) => sum + count, 0);
    const last = {
      step: each,
      tokens,
      of: trace.tokens,
      most: most.map(([, count], i) => ({ text: texts[i]!, count })),
    };
    return { traces: steps.length, step, last };
  }
  return { traces: steps.length, step, last: null };
}

/** How often the expert got each token id. */
function tokensOf(
  { layers, tokens, slots, chosen, tokenIds }: RoutingTrace,
  layer: number,
  expert: number,
): Map<number, number> {
  const counts = new Map<number, number>();
  if (layer >= layers) return counts;
  for (let token = 0; token < tokens; token++) {
    const at = (layer * tokens + token) * slots;
    if (!chosen.subarray(at, at + slots).includes(expert)) continue;
    const id = tokenIds[token]!;
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}
