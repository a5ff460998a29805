/** Routers without structure, token by token: what the faster simulations of the package must agree with. */
import { Random } from '../src/random.ts';

interface Shape {
  readonly experts: number;
  readonly topK: number;
  readonly tokens: number;
}

/** Loads of tokens that go to `topK` distinct experts each, drawn one after the other. */
export function plainUniformLoads(random: Random, { experts, topK, tokens }: Shape): Float64Array {
  const counts = new Float64Array(experts);
  // The first k entries after a partial Fisher-Yates shuffle are a uniform k-subset, whatever order they began in.
  const order = Uint32Array.from({ length: experts }, (_, expert) => expert);
  for (let token = 0; token < tokens; token++) {
    for (let slot = 0; slot < topK; slot++) {
      const other = slot + random.below(experts - slot);
      [order[slot], order[other]] = [order[other]!, order[slot]!];
      counts[order[slot]!]!++;
    }
  }
  return counts;
}

/** Loads of Gaussian latents under random unit keys and cosine top-k. */
export function plainCosineLoads(random: Random, shape: Shape & { readonly latentDim: number }): Float64Array {
  const { experts, topK, tokens, latentDim } = shape;
  const keys = Array.from({ length: experts }, () => {
    const key = Float64Array.from({ length: latentDim }, () => random.normal());
    const length = Math.hypot(...key);
    return key.map((entry) => entry / length);
  });
  const counts = new Float64Array(experts);
  const scores = new Float64Array(experts);
  const latent = new Float64Array(latentDim);
  for (let token = 0; token < tokens; token++) {
    for (let d = 0; d < latentDim; d++) latent[d] = random.normal();
    for (const [expert, key] of keys.entries()) {
      let dot = 0;
      for (let d = 0; d < latentDim; d++) dot += key[d]! * latent[d]!;
      scores[expert] = dot;
    }
    for (let slot = 0; slot < topK; slot++) {
      let best = 0;
      for (let expert = 1; expert < experts; expert++) if (scores[expert]! > scores[best]!) best = expert;
      counts[best]!++;
      scores[best] = -Infinity;
    }
  }
  return counts;
}
