/** The decoder of a run, and what trains it. */
import { BatchStream, type TokenStream } from '@lpr/data';
import { createDecoder, type Decoder } from '@lpr/model';
import type { Device } from '@lpr/tensor';
import { type ExpertExchange, makeSchedule, Trainer } from '@lpr/train';
import { decoderConfig } from '../settings/decoder-config.ts';
import type { Settings } from '../settings/schema.ts';

/**
 * @param vocabulary rows of the embedding
 * @param experts where ranks own some experts each
 */
export function makeDecoder(
  device: Device,
  settings: Settings,
  vocabulary: number,
  experts: ExpertExchange | null = null,
): Decoder {
  return createDecoder(device, decoderConfig(settings, vocabulary), { seed: settings.seed, experts });
}

/** @param tokens the training text, one stream or several to mix */
export function makeTrainer(
  decoder: Decoder,
  settings: Settings,
  tokens: Int32Array | readonly TokenStream[],
): Trainer {
  const { data, training, seed } = settings;
  const { batchSize, sequenceLength } = data;
  const {
    schedule: kind,
    steps,
    lengthened = [],
    accumulation,
    accumulatedTerms,
    learningRate,
    weightDecay,
    weightDecayGroups,
    learningRateGroups = [],
    clipNorm,
    moments = 'float32',
  } = training;
  return new Trainer({
    decoder,
    stream: new BatchStream({ tokens, batchSize, sequenceLength, seed }),
    accumulation,
    accumulatedTerms,
    seed,
    learningRate,
    schedule: makeSchedule({ ...training, kind }, steps),
    earlier: lengthened.map(({ until, steps }) => ({ until, schedule: makeSchedule({ ...training, kind }, steps) })),
    optimizer: { weightDecay, weightDecayGroups, learningRateGroups, clipNorm, moments },
  });
}
