/** Records the optimiser's kernel. */
import type { Kernels } from '../../kernels.ts';
import { ADAM_W } from '../opcodes.ts';
import { floatBits, type Recorder } from '../recorder.ts';

/** A tile moves 28 bytes an element: some twenty microseconds. */
const ELEMENTS_PER_TILE = 8192;

export function optimizerKernels(recorder: Recorder): Pick<Kernels, 'adamW'> {
  return {
    adamW({ segments, gradientScale, learningRate, beta1, beta2, epsilon, step }) {
      const words: number[] = [];
      let tiles = 0;
      let used = 0;
      for (const { parameter, gradient, firstMoment, secondMoment, count, weightDecay } of segments) {
        if (count === 0) continue;
        words.push(
          recorder.address(parameter),
          recorder.address(gradient),
          recorder.address(firstMoment),
          recorder.address(secondMoment),
          count,
          floatBits(1 - learningRate * weightDecay),
          tiles,
        );
        tiles += Math.ceil(count / ELEMENTS_PER_TILE);
        used++;
      }
      if (tiles === 0) return;
      const table = recorder.table(words);
      recorder.record(ADAM_W, tiles, [
        table,
        used,
        ELEMENTS_PER_TILE,
        recorder.address(gradientScale),
        floatBits(beta1),
        floatBits(1 - beta1),
        floatBits(beta2),
        floatBits(1 - beta2),
        floatBits(1 / (1 - beta2 ** step)),
        floatBits(learningRate / (1 - beta1 ** step)),
        floatBits(epsilon),
      ]);
      recorder.release(table);
    },
  };
}
