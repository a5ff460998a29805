/** A gradient that several inputs share. */
import { expect, it, vi } from 'vitest';
import { backward } from '../src/autograd.ts';
import { assign, parameter, tensor } from '../src/creation.ts';
import { add, affine, multiply, square } from '../src/ops/elementwise.ts';
import { reshape } from '../src/ops/movement.ts';
import { sum } from '../src/ops/reduce.ts';
import { scope } from '../src/scope.ts';
import type { Tensor } from '../src/tensor.ts';
import { onEveryDevice } from './support/conformance.ts';

onEveryDevice((device) => {
  it('keeps a gradient that two inputs share until both have used it', async () => {
    // add passes its gradient on to both inputs; `a` already has one when add is reached, `b` has none yet.
    const x = parameter(device(), [3], [1]);
    const gradient = await scope(device(), async () => {
      const a = square(x);
      const b = square(x);
      const both = add(a, b);
      backward(sum(add(square(a), square(both))));
      return x.grad!.data();
    });
    // d/dx [x^4 + (2 x^2)^2] = 20 x^3.
    expect(Array.from(gradient)).toEqual([540]);
    x.dispose();
  });

  it('gives each leaf memory of its own, and copies only what is shared', async () => {
    const leaves = [1, 2, 3].map((value) => parameter(device(), [value, -value], [2]));
    const [a, b, c] = leaves as [Tensor, Tensor, Tensor];
    const { liveBuffers } = device().memory;
    const read = () => Promise.all(leaves.map(async ({ grad }) => Array.from(await grad!.data())));
    const fresh = (): void => {
      for (const each of leaves) {
        each.grad?.dispose();
        each.grad = null;
      }
    };
    const copies = vi.spyOn(device().kernels, 'stridedCopy');
    await scope(device(), async () => {
      const gradient = tensor(device(), [-0, 7]);
      backward(add(add(a, b), reshape(c, [2])), gradient);
      expect(copies).toHaveBeenCalledTimes(3);
      for (const [value, { grad }] of leaves.entries()) assign(grad!, [value, 10 * value]);
      expect(await read()).toEqual([
        [0, 0],
        [1, 10],
        [2, 20],
      ]);
      expect(Array.from(await gradient.data())).toEqual([-0, 7]);
      fresh();

      backward(a, gradient);
      assign(gradient, [1, 1]);
      expect(Array.from(await a.grad!.data())).toEqual([-0, 7]);
      fresh();

      // The gradient of a sum is a copy itself.
      copies.mockClear();
      backward(sum(multiply(a, b)));
      expect(copies).toHaveBeenCalledTimes(1);
      fresh();

      // The last that holds memory keeps it; what was added up is nobody else's.
      copies.mockClear();
      backward(sum(add(a, add(b, add(c, c)))));
      expect(copies).toHaveBeenCalledTimes(2);
      expect(leaves.map(({ grad }) => grad!.sharesMemory)).toEqual([false, false, false]);
      expect(await read()).toEqual([
        [1, 1],
        [1, 1],
        [2, 2],
      ]);
    });
    copies.mockRestore();
    fresh();
    expect(device().memory.liveBuffers).toBe(liveBuffers);
    for (const each of leaves) each.dispose();
  });

  it('hands over what each use of a leaf adds, in place of adding it', async () => {
    const x = parameter(device(), [2], [1]);
    const { liveBuffers } = device().memory;
    const received: Promise<ArrayLike<number>>[] = [];
    scope(device(), () => {
      const loss = add(sum(square(x)), sum(affine(x, 5)));
      backward(loss, undefined, (leaf, contribution) => {
        expect(leaf).toBe(x);
        received.push(contribution.data());
        contribution.dispose();
      });
    });
    const contributions = (await Promise.all(received)).map((each) => Array.from(each));
    expect(contributions.toSorted(([a], [b]) => a! - b!)).toEqual([[4], [5]]);
    expect(x.grad).toBeNull();
    expect(device().memory.liveBuffers).toBe(liveBuffers);
    x.dispose();
  });
});
