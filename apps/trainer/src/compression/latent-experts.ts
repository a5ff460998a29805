/**
 * A trained mixture with latent experts in place of its own (MoLAE, Liu et al. 2025, arXiv 2503.23100): in each layer
 * the gate matrices of all experts get one common factor, so do the up matrices, and the down matrices on their other
 * side, each by a truncated singular value decomposition of the stacked matrices. What is lost is reported; nothing is
 * trained.
 */
import type { Matrix } from '@lpr/metrics';
import { type DecoderConfig, type MoePlan, parseDecoderConfig, planDecoder, type Weight } from '@lpr/model';
import { LATENT_MATRICES } from '@lpr/moe';
import { UsageError } from '../cli/errors.ts';
import { type SharedFactors, sharedFactors, transposed } from './shared-factors.ts';

/** Relative errors of a layer's matrices, all experts together: `sqrt(sum |W - W'|^2 / sum |W|^2)`. */
export interface LatentLayer {
  readonly layer: number;
  readonly gate: number;
  readonly up: number;
  readonly down: number;
}

export interface LatentModel {
  readonly config: DecoderConfig;
  readonly weights: ReadonlyMap<string, Weight>;
  readonly layers: readonly LatentLayer[];
}

/**
 * Throws a UsageError where the experts of a model share something already, there are none, or the width does not fit.
 */
export function checkLatentExperts(config: DecoderConfig, latentDim: number): void {
  const { hidden, layers } = planDecoder(config);
  if (layers.every(({ feedForward }) => feedForward.kind !== 'moe')) throw new UsageError('the model has no experts');
  if (config.expert_latent_dim !== undefined) {
    throw new UsageError(`the model has latent experts already, of width ${config.expert_latent_dim}`);
  }
  if (latentDim > hidden) {
    throw new UsageError(
      `--latent-experts ${latentDim}: wider than the tokens (${hidden}), so nothing would be saved; choose less`,
    );
  }
}

/**
 * Config and weights with latent experts of that width, where `checkLatentExperts` lets it.
 *
 * @param weights of a decoder of that config, by their Hugging Face names
 */
export function toLatentExperts(
  config: DecoderConfig,
  weights: ReadonlyMap<string, Weight>,
  latentDim: number,
): LatentModel {
  checkLatentExperts(config, latentDim);
  const converted = new Map(weights);
  const report: LatentLayer[] = [];
  for (const [layer, { feedForward }] of planDecoder(config).layers.entries()) {
    if (feedForward.kind === 'moe') report.push({ layer, ...convertLayer(converted, layer, feedForward, latentDim) });
  }
  return {
    config: parseDecoderConfig({ ...config, expert_latent_dim: latentDim }),
    weights: converted,
    layers: report,
  };
}

/** Puts a layer's factors in place of its experts' matrices. */
function convertLayer(
  weights: Map<string, Weight>,
  layer: number,
  { name, experts, matrices }: MoePlan,
  latentDim: number,
): Omit<LatentLayer, 'layer'> {
  const block = `model.layers.${layer}.${name}.experts.`;
  const nameOf = (expert: number, matrix: keyof typeof matrices): string =>
    `${block}${expert}.${matrices[matrix]}.weight`;
  const factorsOf = (matrix: keyof typeof matrices, turn: (matrix: Matrix) => Matrix): SharedFactors => {
    const stack = Array.from({ length: experts }, (_, e) => {
      const { shape, data } = weights.get(nameOf(e, matrix))!;
      return turn({ rows: shape[0]!, columns: shape[1]!, values: data });
    });
    return sharedFactors(stack, latentDim);
  };
  const put = (name: string, { rows, columns, values }: Matrix): void => {
    weights.set(name, { shape: [rows, columns], data: Float32Array.from(values) });
  };
  const errors = { gate: 0, up: 0, down: 0 };
  for (const matrix of ['gate', 'up', 'down'] as const) {
    // The down matrices share their side towards the hidden state, which is the other one.
    const turn = matrix === 'down' ? transposed : (same: Matrix): Matrix => same;
    const { shared, own, error } = factorsOf(matrix, turn);
    const columns = shared.length / latentDim;
    put(`${block}${LATENT_MATRICES[matrix]}`, turn({ rows: latentDim, columns, values: shared }));
    own.forEach((values, e) => {
      put(nameOf(e, matrix), turn({ rows: values.length / latentDim, columns: latentDim, values }));
    });
    errors[matrix] = error;
  }
  return errors;
}
