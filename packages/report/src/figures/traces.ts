/** What figures of routing traces share: which trace, which layers, what uniform routing would give. */
import { type RoutingTrace, traceLoads } from '@lpr/metrics';
import type { Part } from '@lpr/runs/browser';
import type { RunParts } from '../parts.ts';
import { whole } from './figure.ts';

/** A trace and the step at which it was written. */
export interface TraceAt {
  readonly step: number;
  readonly trace: RoutingTrace;
}

/** The last trace of a run. */
export function lastTrace({ traces }: RunParts): Part<TraceAt> {
  return traces.value === undefined ? traces : { value: traces.value.steps.at(-1)! };
}

/** "4,096 held-out tokens at step 40" */
export function traceText({ step, trace }: TraceAt): string {
  return `${whole(trace.tokens)} held-out tokens at step ${whole(step)}`;
}

/** The share of the tokens that an expert gets when all get as many: experts of a token over all experts. */
export function uniformShare(trace: RoutingTrace): number {
  const pairs = traceLoads(trace, 0).reduce((sum, load) => sum + load, 0);
  return pairs / (trace.tokens * trace.experts);
}

/** The uniform share of all traces, where it is one. */
export function commonShare(traces: readonly RoutingTrace[]): number | undefined {
  const shares = traces.map(uniformShare);
  return shares.every((share) => Math.abs(share - shares[0]!) < 1e-9) ? shares[0] : undefined;
}
