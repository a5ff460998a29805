/**
 * What two routings of the same tokens would have in common if they had nothing to do with each other but their loads:
 * the level that `saturation` (trace-measures.ts), of any two traces, is to be read against. A router that sends all to
 * few experts repeats itself by that alone.
 */
import { checkSameTokens, expertsOf, traceLoads } from './trace-measures.ts';
import type { RoutingTrace } from './traces.ts';

/**
 * The mean of `saturation(trace, final)` over all ways to pair the tokens of one trace with those of the other, of each
 * layer: `mean over tokens of sum_{e in S_final} (N_e / T) / |S_final|`, N the loads of `trace` over T tokens; exact.
 * With k experts a token it is `sum_e p_e q_e / k`, p and q the shares of the tokens that go to e, so k / M where loads
 * are even. Tokens without an expert at the end are left out; `NaN` where none has any.
 */
export function independentOverlap(trace: RoutingTrace, final: RoutingTrace): Float64Array {
  checkSameTokens(trace, final);
  return Float64Array.from({ length: trace.layers }, (_, layer) => {
    const loads = traceLoads(trace, layer);
    let [shares, tokens] = [0, 0];
    for (let token = 0; token < final.tokens; token++) {
      const last = expertsOf(final, layer, token);
      if (last.length === 0) continue;
      shares += last.reduce((sum, expert) => sum + loads[expert]! / trace.tokens, 0) / last.length;
      tokens++;
    }
    return shares / tokens;
  });
}
