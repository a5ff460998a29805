/** What is said of tensors that no scope frees, and how elements are read with their type. */
import { expect, it, vi } from 'vitest';
import { parameter, state, tensor } from '../src/creation.ts';
import { createWasmDevice } from '../src/devices/wasm/index.ts';
import { add } from '../src/ops/elementwise.ts';
import { keep, scope } from '../src/scope.ts';
import type { Tensor } from '../src/tensor.ts';

it.each([
  ['development', 1],
  [undefined, 1],
  ['production', 0],
  ['test', 0],
] as const)('reports the first tensor that is made outside of a scope where NODE_ENV is %s', async (env, times) => {
  vi.stubEnv('NODE_ENV', env);
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const device = await createWasmDevice({ threads: 0 });
  try {
    const kept = [
      parameter(device, [1], [1]),
      state(device, [2]),
      scope(device, () => keep(tensor(device, [1, 2, 3]))),
    ];
    expect(warn).not.toHaveBeenCalled();
    let x: Tensor = kept[2]!;
    for (let i = 0; i < 5; i++) kept.push((x = add(x, 1)));
    expect(warn).toHaveBeenCalledTimes(times);
    for (const [said] of warn.mock.calls) {
      expect(said).toContain('Tensor(f32 [3]) was made outside of a scope');
      expect(said).toContain('scope(device, () => ...)');
    }
    for (const each of kept) each.dispose();
    expect(device.memory.liveBuffers).toBe(0);
  } finally {
    warn.mockRestore();
    vi.unstubAllEnvs();
    await device.dispose();
  }
});

it('reads elements as the type that they have, or says which that is', async () => {
  const device = await createWasmDevice({ threads: 0 });
  await scope(device, async () => {
    const [values, indices] = [tensor(device, [1.5, 2]), tensor(device, Int32Array.of(3, 4))];
    expect(await values.dataF32()).toEqual(Float32Array.of(1.5, 2));
    expect(await indices.dataI32()).toEqual(Int32Array.of(3, 4));
    await expect(values.dataI32()).rejects.toThrow('dataI32: the tensor must be i32, got Tensor(f32 [2])');
    await expect(indices.dataF32()).rejects.toThrow('dataF32: the tensor must be f32, got Tensor(i32 [2])');
  });
  await device.dispose();
});
