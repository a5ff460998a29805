/** Weights under their Hugging Face names: out of a decoder, one tensor an expert, and into it, from that or the stacked layout. */
import { assign, type Shape, type Tensor } from '@lpr/tensor';
import type { Decoder } from './decoder.ts';

export interface Weight {
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** All parameters and buffers, copied from the device, each expert's matrices under names of their own. */
export async function exportWeights(decoder: Decoder): Promise<Map<string, Weight>> {
  const parts = await Promise.all(
    decoder.layout.map(async ({ name, pieces }) => {
      const data = (await tensorOf(decoder, name).data()) as Float32Array;
      return pieces.map((piece): [string, Weight] => {
        const size = piece.shape.reduce((a, b) => a * b, 1);
        return [piece.name, { shape: piece.shape, data: data.subarray(piece.start, piece.start + size) }];
      });
    }),
  );
  return new Map(parts.flat());
}

/** Which names do not fit a decoder. */
export class WeightsError extends Error {
  override readonly name = 'WeightsError';
}

/**
 * Overwrites all parameters and buffers. Experts come one tensor each (`experts.0.gate_proj.weight`) or stacked (`experts.gate_up_proj`,
 * transformers 5); the layouts may be mixed.
 *
 * @throws WeightsError that lists every missing, unknown and misshapen name; nothing is overwritten then.
 */
export function importWeights(
  decoder: Decoder,
  weights: ReadonlyMap<string, { readonly shape: Shape; readonly data: ArrayLike<number> | BigInt64Array }>,
): void {
  const unused = new Set(weights.keys());
  const problems: string[] = [];
  const take = (name: string, shape: Shape): ArrayLike<number> | null => {
    const weight = weights.get(name);
    unused.delete(name);
    if (weight === undefined) {
      problems.push(`${name} is missing`);
    } else if (weight.shape.join() !== shape.join()) {
      problems.push(`${name} must be [${shape.join(', ')}], got [${weight.shape.join(', ')}]`);
    } else if (weight.data instanceof BigInt64Array) {
      problems.push(`${name} must hold floating-point numbers, got 64-bit integers`);
    } else {
      return weight.data;
    }
    return null;
  };
  const values = decoder.layout.map(({ name, shape, pieces }) => {
    const parts = weights.has(name) ? [{ name, shape, start: 0 }] : pieces;
    return parts.map((part) => ({ start: part.start, data: take(part.name, part.shape) }));
  });
  problems.push(...[...unused].map((name) => `${name} is unknown`));
  if (problems.length > 0) {
    throw new WeightsError(`weights do not fit the decoder (${problems.length} names):\n${problems.join('\n')}`);
  }
  decoder.layout.forEach(({ name }, i) => {
    const target = tensorOf(decoder, name);
    const data = new Float32Array(target.size);
    for (const part of values[i]!) data.set(part.data!, part.start);
    assign(target, data);
  });
}

function tensorOf(decoder: Decoder, name: string): Tensor {
  return (decoder.parameters.get(name) ?? decoder.buffers.get(name))!;
}
