/** What fits a device: the tensors of a step, each in one piece, and the largest batch. */
import { totalmem } from 'node:os';
import { largestTensor, predictMemory } from '@lpr/model';
import { createGpuDevice, type Device, type GpuDevice } from '@lpr/tensor';
import { UsageError } from '../cli/errors.ts';
import { decoderConfig } from '../settings/decoder-config.ts';
import type { Settings } from '../settings/schema.ts';
import { WASM_BYTES } from './prediction.ts';

/** What stands in the place of a number for the batch that fits. */
export const FITTING_BATCH = 'auto';

/** What every WebGPU allows in one tensor. */
const PROMISED_BYTES: number = 2 ** 27;

/** Tokens of a batch beyond which no device was seen to become faster. */
const MOST_TOKENS = 2 ** 15;

/** The share of memory that a step may take: predictions are right to some percent, of some routers to a quarter. */
const SHARE = 0.75;

/**
 * Throws when a tensor of a training step is larger than the device holds in one piece.
 *
 * @throws UsageError that names the tensor, its bytes, the limit, and what mends it
 */
export function checkTensors(settings: Settings, device: Device): void {
  const limit = largestOn(device);
  if (limit === null) return;
  const { data, size } = settings;
  const { name, shape, bytes, growsWithTokens } = largestTensor(
    decoderConfig(settings, size.vocabulary),
    stepOf(settings),
  );
  if (bytes <= limit) return;
  const mend = growsWithTokens
    ? `Lower data.batchSize (now ${data.batchSize}; ${FITTING_BATCH} takes what fits) or data.sequenceLength`
    : 'Lower size.hidden, size.experts, size.expertWidth or size.vocabulary, of which it is made';
  throw new UsageError(
    `${name} [${shape.join(', ')}] takes ${bytes} bytes, but ${device.description} holds at most ${limit} in one tensor ` +
      `(maxStorageBufferBindingSize, maxBufferSize). ${mend}, or use --device wasm`,
  );
}

/** Bytes that the device holds in one tensor; null where only memory bounds it. */
function largestOn(device: Device): number | null {
  return device.kind === 'gpu' ? (device as GpuDevice).largestTensor : null;
}

/** The same of this machine's GPU, to choose a batch by; what all promise where there is none. */
export async function largestOnGpu(): Promise<number> {
  const device = await createGpuDevice({ allowSoftware: true }).catch(() => null);
  await device?.dispose();
  return device?.largestTensor ?? PROMISED_BYTES;
}

/**
 * The largest number of sequences, a power of two, of which a training step fits: on a GPU each tensor in one piece, on
 * the CPU all together into memory.
 *
 * @param limit bytes of one tensor on a GPU
 */
export function fittingBatch(settings: Settings, limit: number = PROMISED_BYTES): number {
  const { data, training, size, device } = settings;
  const config = decoderConfig(settings, size.vocabulary);
  const sequence = data.sequenceLength;
  const memory = SHARE * Math.min(WASM_BYTES, totalmem());
  const fits = (batch: number): boolean => {
    const { accumulation, moments } = training;
    const step = { batch, sequence, training: true, accumulation, moments };
    if (device !== 'wasm') return largestTensor(config, step).bytes <= limit;
    return predictMemory(config, step).total <= memory;
  };
  let batch = 1;
  while (2 * batch * sequence <= MOST_TOKENS && fits(2 * batch)) batch *= 2;
  return batch;
}

function stepOf({ data }: Settings): { batch: number; sequence: number } {
  return { batch: data.batchSize, sequence: data.sequenceLength };
}
