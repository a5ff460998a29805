/** The largest tensor of a training step, for devices that hold each tensor in one piece of memory. */
import { sizeOf } from '@lpr/tensor';
import { heldShape } from '@lpr/tensor/nn';
import { type DecoderConfig, planDecoder } from './families/index.ts';
import { decoderParameters } from './parameters.ts';
import type { StepSize } from './sizes.ts';

export interface LargestTensor {
  /** Of a parameter its name; else what the tensor is. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** Whether it grows with the tokens of a micro-batch. */
  readonly growsWithTokens: boolean;
}

/** The largest single tensor among the parameters and what each layer makes of `[batch, sequence]` tokens. */
export function largestTensor(
  config: DecoderConfig,
  { batch, sequence }: Pick<StepSize, 'batch' | 'sequence'>,
): LargestTensor {
  const plan = planDecoder(config);
  const tokens = batch * sequence;
  const all: LargestTensor[] = decoderParameters(plan).map((spec) => named(spec.name, heldShape(spec), false));
  const { hidden } = plan;
  for (const [i, { attention, feedForward }] of plan.layers.entries()) {
    const heads =
      attention.kind === 'groupedQuery'
        ? attention.heads * attention.headDim
        : attention.heads * (attention.nopeDim + Math.max(attention.ropeDim, attention.valueDim));
    all.push(named(`the queries of layer ${i}`, [tokens, Math.max(heads, hidden)], true));
    if (feedForward.kind === 'dense') {
      all.push(named(`the gates of layer ${i}`, [tokens, 2 * feedForward.width], true));
      continue;
    }
    const { experts, topK, width, expertLatentDim } = feedForward;
    all.push(
      named(
        `the rows of the experts of layer ${i}`,
        [tokens * topK, Math.max(2 * width, expertLatentDim ?? hidden)],
        true,
      ),
    );
    all.push(named(`the scores of the router of layer ${i}`, [tokens, experts], true));
  }
  return all.reduce((largest, next) => (next.bytes > largest.bytes ? next : largest));
}

function named(name: string, shape: readonly number[], growsWithTokens: boolean): LargestTensor {
  return { name, shape, bytes: 4 * sizeOf(shape), growsWithTokens };
}
