/**
 * Every tensor of a decoder: its name, shape and start, and which pieces of it Hugging Face stores under which names.
 */
import { expertParameters, type ExpertShare, expertsOfRank, routerParameters } from '@lpr/moe';
import { type Shape, sizeOf } from '@lpr/tensor';
import { constantSpec, type ParameterSpec, WEIGHT_STD, weightSpec, withPrefix } from '@lpr/tensor/nn';
import { attentionParameters } from './layers/attention.ts';
import type { DecoderPlan, DensePlan, LayerPlan, MlpNames, MoePlan } from './plan.ts';

/** A contiguous part of a tensor that is a tensor of its own in a checkpoint. */
export interface Piece {
  readonly name: string;
  readonly shape: Shape;
  /** Index of its first element. */
  readonly start: number;
}

export interface ModelParameter extends ParameterSpec {
  /** In the order in which they fill the whole tensor. */
  readonly pieces: readonly Piece[];
}

/**
 * All tensors in the order of the forward pass.
 *
 * @param share of the experts that are held here, where several ranks hold them together
 */
export function decoderParameters(plan: DecoderPlan, share: ExpertShare | null = null): ModelParameter[] {
  const { vocabulary, hidden } = plan;
  const parameters = [
    whole(weightSpec('model.embed_tokens.weight', [vocabulary, hidden])),
    ...plan.layers.flatMap((layer, i) => layerParameters(layer, hidden, `model.layers.${i}.`, share)),
    whole(constantSpec('model.norm.weight', [hidden], 1)),
    ...(plan.tiedHead ? [] : [whole(weightSpec('lm_head.weight', [vocabulary, hidden]))]),
  ];
  return parameters.map((parameter) => ({ ...parameter, initial: startOf(parameter, plan) }));
}

/** Weights start with the deviation of the plan; what a router starts with otherwise is its own. */
function startOf({ initial }: ParameterSpec, { weightStd }: DecoderPlan): ParameterSpec['initial'] {
  return initial.kind === 'normal' && initial.std === WEIGHT_STD ? { kind: 'normal', std: weightStd } : initial;
}

function layerParameters(
  { attention, feedForward }: LayerPlan,
  hidden: number,
  prefix: string,
  share: ExpertShare | null,
): ModelParameter[] {
  const block = `${prefix}${feedForward.name}.`;
  return [
    whole(constantSpec(`${prefix}input_layernorm.weight`, [hidden], 1)),
    ...withPrefix(`${prefix}self_attn.`, attentionParameters(attention, hidden)).map(whole),
    whole(constantSpec(`${prefix}post_attention_layernorm.weight`, [hidden], 1)),
    ...(feedForward.kind === 'moe'
      ? moeParameters(feedForward, hidden, block, share)
      : denseParameters(feedForward, hidden, block)),
  ];
}

/** Gate and up projection are one tensor, so that one product computes both. */
function denseParameters(
  { width, matrices }: Pick<DensePlan, 'width' | 'matrices'>,
  hidden: number,
  block: string,
): ModelParameter[] {
  const shape = [width, hidden];
  return [
    {
      ...weightSpec(`${block}gate_up_proj.weight`, [2 * width, hidden]),
      pieces: [
        { name: `${block}${matrices.gate}.weight`, shape, start: 0 },
        { name: `${block}${matrices.up}.weight`, shape, start: width * hidden },
      ],
    },
    {
      ...weightSpec(`${block}down_proj.weight`, [hidden, width]),
      pieces: [{ name: `${block}${matrices.down}.weight`, shape: [hidden, width], start: 0 }],
    },
  ];
}

function moeParameters(plan: MoePlan, hidden: number, block: string, share: ExpertShare | null): ModelParameter[] {
  const { width, experts, expertLatentDim: latentDim, topK, router, sharedWidth, matrices } = plan;
  // What each stacked tensor holds of every expert, in order; latent experts' shared matrices are stored whole.
  const contents: Readonly<Record<string, readonly (keyof MlpNames)[]>> = {
    gate_up_proj: ['gate', 'up'],
    gate_proj: ['gate'],
    up_proj: ['up'],
    down_proj: ['down'],
  };
  const ofExperts = expertParameters({ hidden, experts, width, latentDim }).map((spec): ModelParameter => {
    const [named] = withPrefix(`${block}experts.`, [spec]);
    const held = contents[spec.name];
    if (held === undefined) return whole(named!);
    const rows = share === null ? {} : { rows: expertsOfRank(experts, share) };
    return { ...named!, ...rows, pieces: expertPieces(named!, held, plan, block) };
  });
  return [
    ...withPrefix(`${block}gate.`, routerParameters(router, { hidden, experts, topK })).map(whole),
    ...ofExperts,
    ...(sharedWidth === 0 ? [] : denseParameters({ width: sharedWidth, matrices }, hidden, `${block}shared_experts.`)),
  ];
}

/** The matrices of each expert in a tensor `[M, rows, columns]`, of which an expert's rows are split evenly. */
function expertPieces(
  { shape: [experts = 0, rows = 0, columns = 0] }: ParameterSpec,
  held: readonly (keyof MlpNames)[],
  { matrices }: MoePlan,
  block: string,
): Piece[] {
  const shape = [rows / held.length, columns];
  return Array.from({ length: experts }, (_, e) =>
    held.map((matrix, i) => ({
      name: `${block}experts.${e}.${matrices[matrix]}.weight`,
      shape,
      start: (e * held.length + i) * sizeOf(shape),
    })),
  ).flat();
}

function whole(spec: ParameterSpec): ModelParameter {
  return { ...spec, pieces: [{ name: spec.name, shape: spec.shape, start: 0 }] };
}
