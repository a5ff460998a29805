/**
 * Weights under their Hugging Face names: out of a decoder, one tensor an expert, and into it, from that or the stacked
 * layout.
 */
import { assign, type Shape, sizeOf, type Tensor } from '@lpr/tensor';
import type { Decoder } from './decoder.ts';
import type { ModelParameter, Piece } from './parameters.ts';

export interface Weight {
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** A weight and what a checkpoint calls it. */
export interface NamedWeight extends Weight {
  readonly name: string;
}

/**
 * All parameters and buffers as they are at the call, copied from the device, each expert's matrices under names of
 * their own.
 */
export async function exportWeights(decoder: Decoder): Promise<Map<string, Weight>> {
  const parts = await Promise.all(decoder.layout.map((parameter) => piecesOf(decoder, parameter)));
  return new Map(parts.flat().map(({ name, shape, data }) => [name, { shape, data }]));
}

/**
 * The same one by one, in the order of the decoder's layout, for those who wait with further steps until it is through.
 */
export async function* eachWeight(decoder: Decoder): AsyncGenerator<NamedWeight> {
  for (const parameter of decoder.layout) yield* await piecesOf(decoder, parameter);
}

async function piecesOf(decoder: Decoder, parameter: ModelParameter): Promise<NamedWeight[]> {
  if (parameter.rows !== undefined) {
    throw new WeightsError(`${parameter.name} lies on several ranks; whoever shares a model out collects its weights`);
  }
  return asPieces(parameter, await tensorOf(decoder, parameter.name).dataF32());
}

/** A whole tensor as a checkpoint stores it. */
export function asPieces({ pieces }: ModelParameter, data: Float32Array): NamedWeight[] {
  return pieces.map((piece) => ({
    name: piece.name,
    shape: piece.shape,
    data: data.subarray(piece.start, piece.start + sizeOf(piece.shape)),
  }));
}

/** Which names do not fit a decoder. */
export class WeightsError extends Error {
  override readonly name = 'WeightsError';
}

/** One of a decoder's tensors and the weights that fill it. */
export interface WeightTarget {
  readonly parameter: ModelParameter;
  readonly parts: readonly Piece[];
}

/**
 * Which weights fill which tensors. Experts come one tensor each (`experts.0.gate_proj.weight`) or stacked
 * (`experts.gate_up_proj`, transformers 5); the layouts may be mixed. Parts have the names of the checkpoint.
 *
 * @throws WeightsError that lists every missing, unknown and misshapen name.
 */
export function matchWeights(
  layout: readonly ModelParameter[],
  weights: ReadonlyMap<string, { readonly shape: Shape; readonly dtype?: string }>,
): WeightTarget[] {
  const unused = new Set(weights.keys());
  for (const { name } of besideModel(weights.keys(), layout)) unused.delete(name);
  const problems: string[] = [];
  const targets = layout.map((parameter): WeightTarget => {
    const { name, shape, pieces } = parameter;
    const stacked = nameIn(weights, name);
    if (weights.has(stacked)) return { parameter, parts: [{ name: stacked, shape, start: 0 }] };
    return { parameter, parts: pieces.map((piece) => ({ ...piece, name: nameIn(weights, piece.name) })) };
  });
  for (const { name, shape } of targets.flatMap(({ parts }) => parts)) {
    const weight = weights.get(name);
    unused.delete(name);
    if (weight === undefined) {
      problems.push(`${name} is missing`);
    } else if (weight.shape.join() !== shape.join()) {
      problems.push(`${name} must be [${shape.join(', ')}], got [${weight.shape.join(', ')}]`);
    } else if (weight.dtype === 'I64' || weight.dtype === 'I32') {
      problems.push(`${name} must hold floating-point numbers, got ${weight.dtype}`);
    }
  }
  for (const name of unused) problems.push(`${name} is unknown`);
  if (problems.length > 0) {
    throw new WeightsError(`weights do not fit the decoder (${problems.length} names):\n${problems.join('\n')}`);
  }
  return targets;
}

/** What a checkpoint calls a weight: transformers 5 keeps Mixtral's experts under the name that other families have. */
function nameIn(weights: ReadonlyMap<string, unknown>, name: string): string {
  const today = name.replace('.block_sparse_moe.', '.mlp.');
  return !weights.has(name) && weights.has(today) ? today : name;
}

/** A weight that a public checkpoint has and no decoder reads, and what it is. */
export interface Beside {
  readonly name: string;
  readonly what: string;
}

/** Those of some names that lie beside a model of this layout, and are passed over. */
export function besideModel(names: Iterable<string>, layout: readonly ModelParameter[]): Beside[] {
  const all = new Set(names);
  const layers = new Set(layout.flatMap(({ name }) => LAYER.exec(name)?.[1] ?? []));
  const isTied = layout.every(({ name }) => name !== HEAD);
  return Array.from(all).flatMap((name): Beside[] => {
    if (name.endsWith('.rotary_emb.inv_freq')) return [{ name, what: 'rotary frequencies, which are computed' }];
    if (name === HEAD && isTied) return [{ name, what: 'a head that the config ties to the embedding' }];
    const layer = LAYER.exec(name)?.[1];
    // Only a layer that predicts further tokens joins an embedding to a hidden state.
    const isFurther = layer !== undefined && !layers.has(layer) && all.has(`model.layers.${layer}.eh_proj.weight`);
    return isFurther ? [{ name, what: 'a layer that predicts further tokens' }] : [];
  });
}

const LAYER = /^model\.layers\.(\d+)\./;
const HEAD = 'lm_head.weight';

/**
 * Overwrites all parameters and buffers, from one tensor an expert or stacked ones.
 *
 * @throws WeightsError that lists every missing, unknown and misshapen name; nothing is overwritten then.
 */
export function importWeights(
  decoder: Decoder,
  weights: ReadonlyMap<
    string,
    { readonly shape: Shape; readonly dtype?: string; readonly data: ArrayLike<number> | BigInt64Array }
  >,
): void {
  for (const { parameter, parts } of matchWeights(decoder.layout, weights)) {
    const values = new Float32Array(sizeOf(parameter.shape));
    for (const { name, start } of parts) values.set(weights.get(name)!.data as ArrayLike<number>, start);
    assignHeld(decoder, parameter, values);
  }
}

/**
 * Overwrites a parameter or buffer with a whole tensor, or what is held of it here.
 *
 * @throws WeightsError where a table of experts names one that is not there, or one twice for the same token
 */
export function assignHeld(decoder: Decoder, parameter: ModelParameter, values: Float32Array): void {
  const { name, rows, shape, initial } = parameter;
  if (initial.kind === 'balancedTable') checkTable(name, shape, initial.values, values);
  const held = rows === undefined ? values : values.subarray(...rows.map((row) => row * sizeOf(shape.slice(1))));
  assign(tensorOf(decoder, name), held);
}

function checkTable(name: string, [, columns = 0]: Shape, experts: number, values: Float32Array): void {
  for (let start = 0; start < values.length; start += columns) {
    const row = values.subarray(start, start + columns);
    const isExpert = (id: number) => Number.isInteger(id) && id >= 0 && id < experts;
    if (row.every(isExpert) && new Set(row).size === columns) continue;
    throw new WeightsError(
      `${name} must name different experts in each row, whole numbers from 0 to ${experts - 1}; got ${row.join(', ')} in row ${start / columns}`,
    );
  }
}

/** The parameter or buffer of a decoder's layout by name. */
export function tensorOf(decoder: Decoder, name: string): Tensor {
  return (decoder.parameters.get(name) ?? decoder.buffers.get(name))!;
}
