/** Random numbers and the optimiser. */
import { philox4x32 } from '../../../random.ts';
import type { Kernels } from '../../kernels.ts';
import { axes } from '../axes.ts';
import type { Recorder } from '../recorder.ts';

export function optimizerKernels(run: Recorder): Pick<Kernels, 'random' | 'adamW'> {
  return {
    random({ out, distribution, count, keyLow, keyHigh }) {
      if (count > 0) run.store(out, run.upload(randomNumbers(distribution, count, keyLow, keyHigh)));
    },

    adamW({ segments, gradientScale, learningRate, beta1, beta2, epsilon, step }) {
      const correction1 = 1 - beta1 ** step;
      const correction2 = 1 - beta2 ** step;
      const scale = gradientScale === null ? {} : { scale: run.value(gradientScale) };
      const g = gradientScale === null ? 'gradient[i]' : 'gradient[i] * scale[0]';
      const scaled = gradientScale === null ? '' : ' scaled';
      // Three launches a segment: a kernel writes one buffer.
      for (const { parameter, gradient: gradientBuffer, firstMoment, secondMoment, count, weightDecay } of segments) {
        if (count === 0) continue;
        const { extents } = axes(count);
        const gradient = run.value(gradientBuffer);
        const first = run.launch({
          key: `adamW first moment${scaled}`,
          extents,
          buffers: { old: run.value(firstMoment), gradient, ...scale },
          numbers: { beta: beta1, rest: 1 - beta1 },
          body: () => onThread(`return beta * old[i] + rest * (${g});`),
        });
        const second = run.launch({
          key: `adamW second moment${scaled}`,
          extents,
          buffers: { old: run.value(secondMoment), gradient, ...scale },
          numbers: { beta: beta2, rest: 1 - beta2 },
          body: () => onThread(`const g = ${g};\nreturn beta * old[i] + rest * (g * g);`),
        });
        const updated = run.launch({
          key: 'adamW parameter',
          extents,
          buffers: { old: run.value(parameter), first, second },
          numbers: {
            keep: 1 - learningRate * weightDecay,
            rate: learningRate / correction1,
            correction: 1 / correction2,
            epsilon,
          },
          body: () =>
            onThread('return keep * old[i] - rate * first[i] / (Math.sqrt(second[i] * correction) + epsilon);'),
        });
        run.store(firstMoment, first);
        run.store(secondMoment, second);
        run.store(parameter, updated);
      }
    },
  };
}

/** A body that writes the thread's place as `[i]`; spelled out, since a variable would be f32. */
function onThread(body: string): string {
  return body.replaceAll('[i]', '[this.thread.x]');
}

/** Made on the host: gpu.js has no 32-bit integer product. The definition is in ../../kernels.ts. */
function randomNumbers(distribution: 'uniform' | 'normal', count: number, low: number, high: number): Float32Array {
  const out = new Float32Array(count);
  for (let start = 0; start < count; start += 4) {
    const block = start / 4;
    const bits = philox4x32([block >>> 0, Math.floor(block / 2 ** 32), 0, 0], [low, high]);
    const numbers = bits.map((word) => (word >>> 8) * 2 ** -24);
    if (distribution === 'normal') {
      for (const pair of [0, 2]) {
        const radius = Math.sqrt(-2 * Math.log(numbers[pair]! + 2 ** -24));
        const angle = 2 * Math.PI * numbers[pair + 1]!;
        numbers[pair] = radius * Math.cos(angle);
        numbers[pair + 1] = radius * Math.sin(angle);
      }
    }
    for (let i = 0; i < 4 && start + i < count; i++) out[start + i] = numbers[i]!;
  }
  return out;
}
