/** Every figure with made-up data, at whatever number of layers and experts. */
import { samplesOfChoices } from './samples/choices.ts';
import { samplesOfLatents, samplesOfTokens } from './samples/latents.ts';
import { samplesOfLoads } from './samples/loads.ts';
import { samplesOfRuns, samplesOfSettings } from './samples/runs.ts';
import { generator, type Sample, type SampleModel } from './samples/sample.ts';
import { samplesOfCurves, samplesOfSteps } from './samples/training.ts';

export interface SampleSettings {
  readonly layers: number;
  readonly experts: number;
  /** What all names start with. */
  readonly name?: string;
}

/** A figure of each kind for a model of so many layers and experts. */
export function samples({ layers, experts, name: prefix = '' }: SampleSettings): Sample[] {
  const model: SampleModel = {
    ...{ layers, experts, prefix },
    topK: Math.max(1, Math.min(8, experts / 4)),
    shownLayers: Array.from(new Set([0, Math.floor(layers / 2), layers - 1])),
    random: generator(layers * 1000 + experts),
  };
  return [
    ...[2, Math.min(40, 4 * experts)].flatMap((count) => samplesOfRuns(count, prefix)),
    ...[
      samplesOfLoads,
      samplesOfCurves,
      samplesOfChoices,
      samplesOfLatents,
      samplesOfSteps,
      samplesOfSettings,
      samplesOfTokens,
    ].flatMap((samplesOf) => samplesOf(model)),
  ];
}
