/**
 * The measures of table 7: how similar a token is to a prototype. Vector measures compare a latent with a prototype,
 * distribution measures two Gaussians with diagonal covariance; the score of a token for an expert is the similarity,
 * or minus the distance. All give `[tokens, M]`.
 */
import {
  abs,
  add,
  affine,
  concatenate,
  divide,
  exp,
  linear,
  log,
  matmul,
  maximum,
  minimum,
  multiply,
  reciprocal,
  reshape,
  rmsNorm,
  sqrt,
  square,
  subtract,
  sum,
  type Tensor,
} from '@lpr/tensor';

/** A Gaussian a row: mean and log-variance, both `[rows, D]`. */
export interface Gaussians {
  readonly mean: Tensor;
  readonly logvar: Tensor;
}

/** `a . b`. a `[tokens, D]`, b `[M, D]`. Of unit rows, the cosine. */
export function dotProduct(a: Tensor, b: Tensor): Tensor {
  return matmul(a, b, { transposeB: true });
}

/**
 * `|a - b|^2`, by way of `|a|^2 + |b|^2 - 2 a . b`, so that nothing of size tokens x M x D is made; of nearly equal
 * large rows only about 1e-7 of `|a|^2` is left as error.
 */
export function squaredDistances(a: Tensor, b: Tensor): Tensor {
  const squares = add(sum(square(a), 1, { keepAxis: true }), sum(square(b), 1));
  return maximum(subtract(squares, affine(dotProduct(a, b), 2)), 0);
}

/** `exp(-|z - p|^2 / (2 width^2))`. */
export function gaussianKernel(latents: Tensor, prototypes: Tensor, width: number): Tensor {
  return exp(affine(squaredDistances(latents, prototypes), -0.5 / width ** 2));
}

/**
 * `1 / (1 + sum_d exp(-s_d) (z_d - p_d)^2)`: the paper names it without an equation; this is what the released code
 * computes. logSigma s `[D]`.
 */
export function mahalanobis(latents: Tensor, prototypes: Tensor, logSigma: Tensor): Tensor {
  const scale = exp(affine(logSigma, -0.5));
  return reciprocal(affine(squaredDistances(multiply(latents, scale), multiply(prototypes, scale)), 1, 1));
}

/** Learned projections of multi-head attention: matrices `[D, D]`, biases and norm weights `[D]`. */
export interface AttentionProjection {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly norm: Tensor;
}

/** Projects rows and normalises them over the whole latent, as the released code does for queries and keys. */
export function projectForAttention(rows: Tensor, { weight, bias, norm }: AttentionProjection): Tensor {
  return rmsNorm(linear(rows, weight, bias), norm, 1e-6);
}

/**
 * Equations 18-19: `mean_h q_h . k_h / sqrt(d_h)` with `d_h = D / heads`. The dot products of all heads add up to that
 * of the whole rows, so heads do no more than scale it: `q . k / sqrt(D heads)`.
 */
export function multiHeadDot(queries: Tensor, keys: Tensor, heads: number): Tensor {
  return affine(dotProduct(queries, keys), 1 / Math.sqrt(queries.shape[1]! * heads));
}

/** Below it, variances in denominators and logarithms are taken as this. */
const SMALLEST_VARIANCE = 1e-6;

/** Equation 20, `|mu1 - mu2|^2 + |sigma1 - sigma2|^2`: the square of the 2-Wasserstein distance. */
export function squaredWasserstein(tokens: Gaussians, prototypes: Gaussians): Tensor {
  const features = ({ mean, logvar }: Gaussians): Tensor => concatenate([mean, exp(affine(logvar, 0.5))], 1);
  return squaredDistances(features(tokens), features(prototypes));
}

/** The distance itself, `sqrt(W2^2 + 1e-6)`, as the released code has it. */
export function wasserstein(tokens: Gaussians, prototypes: Gaussians): Tensor {
  return sqrt(affine(squaredWasserstein(tokens, prototypes), 1, 1e-6));
}

/**
 * Equation 21: `1/2 sum_d [v2 - v1 + (s1^2 + (mu1 - mu2)^2) / s2^2 - 1]` with log-variances v; from token to prototype.
 */
export function klDivergence(tokens: Gaussians, prototypes: Gaussians): Tensor {
  const variance = ({ logvar }: Gaussians): Tensor => maximum(exp(logvar), SMALLEST_VARIANCE);
  const precision = reciprocal(variance(prototypes));
  const weighted = multiply(prototypes.mean, precision);
  // The quadratic, expanded: a product of token features with prototype features instead of something of size tokens x
  // M x D.
  const cross = dotProduct(
    concatenate([add(variance(tokens), square(tokens.mean)), tokens.mean], 1),
    concatenate([precision, affine(weighted, -2)], 1),
  );
  const ofPrototypes = sum(add(prototypes.logvar, multiply(prototypes.mean, weighted)), 1);
  const ofTokens = sum(tokens.logvar, 1, { keepAxis: true });
  return affine(add(subtract(cross, ofTokens), ofPrototypes), 0.5, -0.5 * tokens.mean.shape[1]!);
}

/** Both as `[tokens, 1, D]` and `[1, M, D]`, for terms that no product of features gives. */
function pairwise(tokens: Gaussians, prototypes: Gaussians): { squares: Tensor; v1: Tensor; v2: Tensor } {
  const [count = 0, latentDim = 0] = tokens.mean.shape;
  const ofToken = (x: Tensor): Tensor => reshape(x, [count, 1, latentDim]);
  return {
    squares: square(subtract(ofToken(tokens.mean), prototypes.mean)),
    v1: ofToken(tokens.logvar),
    v2: prototypes.logvar,
  };
}

/**
 * Equation 22: half the sum of both KL divergences to N((mu1 + mu2) / 2, (s1^2 + s2^2) / 2). That Gaussian is not the
 * moment match of the mixture, whose variance also has `(mu1 - mu2)^2 / 4`: the paper's approximation of the
 * Jensen-Shannon divergence. With `s0^2` its variance this is `1/4 sum_d [2 ln s0^2 - v1 - v2 + (mu1 - mu2)^2 / (2
 * s0^2)]`. Takes memory of tokens x M x D.
 */
export function jsDivergence(tokens: Gaussians, prototypes: Gaussians): Tensor {
  const { squares, v1, v2 } = pairwise(tokens, prototypes);
  const middle = maximum(affine(add(exp(v1), exp(v2)), 0.5), SMALLEST_VARIANCE);
  const terms = add(subtract(affine(log(middle), 2), add(v1, v2)), divide(affine(squares, 0.5), middle));
  return affine(sum(terms, -1), 0.25);
}

/** Logarithms of the factors are kept between that of 1e-6 and 0, as the released code clamps the factors. */
const SMALLEST_LOG_FACTOR = Math.log(1e-6);
/** Keeps the gradient of the root finite where both Gaussians are the same. */
const ROOT_EPSILON = 1e-12;

/**
 * `sqrt(1 - prod_d sqrt(2 s1 s2 / v) exp(-(mu1 - mu2)^2 / (4 v)))`, `v = s1^2 + s2^2`. Takes memory of tokens x M x D.
 */
export function hellinger(tokens: Gaussians, prototypes: Gaussians): Tensor {
  const { squares, v1, v2 } = pairwise(tokens, prototypes);
  const total = affine(add(exp(v1), exp(v2)), 1, 1e-6);
  const overlap = affine(subtract(affine(add(v1, v2), 0.5, Math.LN2), log(total)), 0.5);
  const factors = subtract(overlap, divide(affine(squares, 0.25), total));
  return rootOfRest(sum(minimum(maximum(factors, SMALLEST_LOG_FACTOR), 0), -1));
}

/**
 * Equation 23 as printed, for each dimension: no root around `2 s1 s2 / v`, and a factor `1 / sqrt 2`. Not the
 * Hellinger distance.
 */
export function printedHellinger(tokens: Gaussians, prototypes: Gaussians): Tensor {
  const { squares, v1, v2 } = pairwise(tokens, prototypes);
  const total = add(exp(v1), exp(v2));
  const overlap = subtract(affine(add(v1, v2), 0.5, Math.LN2), log(total));
  return affine(rootOfRest(sum(subtract(overlap, divide(affine(squares, 0.25), total)), -1)), Math.SQRT1_2);
}

/** `sqrt(1 - exp(x))` for x of at most 0. */
function rootOfRest(logarithm: Tensor): Tensor {
  return sqrt(affine(abs(affine(exp(logarithm), -1, 1)), 1, ROOT_EPSILON));
}
