/** Random numbers; where no WGSL runs they are drawn on the host, which is what the shader is held against. */
import { philox4x32 } from '../../../random.ts';
import type { RandomKernels } from '../../kernels/random.ts';
import type { Recorder } from '../recorder.ts';
import { RANDOM_SHADER, THREADS } from './random-shader.ts';

export function randomKernels(run: Recorder): RandomKernels {
  return {
    random({ out, distribution, count, keyLow, keyHigh }) {
      if (count === 0) return;
      if (!run.runsShaders) {
        run.store(out, run.upload(randomNumbers(distribution, count, keyLow, keyHigh)));
        return;
      }
      const [numbers] = run.launchShader({
        key: 'random',
        buffers: {},
        integers: { count, keyLow, keyHigh, normal: distribution === 'normal' ? 1 : 0 },
        results: { out: count },
        workgroups: [Math.ceil(count / (4 * THREADS)), 1, 1],
        code: () => RANDOM_SHADER,
      });
      run.store(out, numbers!);
    },
  };
}

/** ../../kernels/random.ts has the definition. */
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
