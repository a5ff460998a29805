/** Differentiation and scopes: who gets which gradient, what is freed when, and what is an error. */
import { describe, expect, it } from 'vitest';
import { backward } from '../src/autograd.ts';
import { assign, ones, parameter, state, tensor } from '../src/creation.ts';
import { add, affine, exp, multiply, relu, square, subtract } from '../src/ops/elementwise.ts';
import { matmul } from '../src/ops/matmul.ts';
import { reshape } from '../src/ops/movement.ts';
import { adamWStep } from '../src/ops/optimizer.ts';
import { max, sum } from '../src/ops/reduce.ts';
import { keep, scope } from '../src/scope.ts';
import type { Tensor } from '../src/tensor.ts';
import { onEveryDevice } from './support/conformance.ts';

onEveryDevice((device) => {
  const leaf = (values: number[], shape?: number[]): Tensor => parameter(device(), values, shape ?? [values.length]);
  const values = async (x: Tensor | null): Promise<number[]> => [...(await x!.data())];
  /** Runs a body with fresh leaves and checks that nothing but them stays alive. */
  const withLeaves = async (body: (...leaves: Tensor[]) => Promise<void>, ...starts: number[][]): Promise<void> => {
    const before = device().memory.liveBuffers;
    const leaves = starts.map((start) => leaf(start));
    await scope(device(), () => body(...leaves));
    for (const x of leaves) x.dispose();
    expect(device().memory.liveBuffers).toBe(before);
  };

  describe('backward', () => {
    it('adds up all uses of a tensor', () =>
      withLeaves(
        async (x) => {
          // x^2 + x + x + x: the same tensor twice in one op, a diamond, and a shared gradient.
          const squared = multiply(x, x);
          backward(sum(add(add(squared, x), add(x, x))));
          expect(await values(x.grad)).toEqual([2 * 3 + 3, 2 * -5 + 3]);
        },
        [3, -5],
      ));

    it('passes one gradient on to several inputs', () =>
      withLeaves(
        async (x, y) => {
          const shared = add(x, y);
          backward(sum(add(shared, add(shared, shared))));
          expect(await values(x.grad)).toEqual([3, 3]);
          expect(await values(y.grad)).toEqual([3, 3]);
        },
        [1, 2],
        [3, 4],
      ));

    it('accumulates over calls until the gradient is taken away', () =>
      withLeaves(
        async (x) => {
          for (let i = 0; i < 3; i++) backward(sum(multiply(x, 2)));
          expect(await values(x.grad)).toEqual([6, 6]);
          x.grad!.dispose();
          x.grad = null;
          backward(sum(x));
          expect(await values(x.grad)).toEqual([1, 1]);
        },
        [1, 2],
      ));

    it('does not touch what the loss does not depend on', () =>
      withLeaves(
        async (x, y) => {
          multiply(y, 3);
          backward(sum(exp(x)));
          expect(y.grad).toBeNull();
        },
        [0],
        [1],
      ));

    it('runs through scopes that have ended', () =>
      withLeaves(
        async (x) => {
          const hidden = scope(device(), () => relu(subtract(multiply(x, x), 1)));
          backward(sum(scope(device(), () => multiply(reshape(hidden, [2, 1]), 2))));
          expect(await values(x.grad)).toEqual([12, 0]);
        },
        [3, 0.5],
      ));

    it('takes a gradient for a tensor of any shape', () =>
      withLeaves(
        async (x) => {
          backward(multiply(x, x), tensor(device(), [1, 10]));
          expect(await values(x.grad)).toEqual([4, 60]);
        },
        [2, 3],
      ));

    it('frees the graph as it goes', () =>
      withLeaves(
        async (x) => {
          let y = x;
          for (let i = 0; i < 50; i++) y = scope(device(), () => relu(multiply(y, 1)));
          const loss = sum(y);
          const live = device().memory.liveBuffers;
          backward(loss);
          expect(device().memory.liveBuffers).toBeLessThan(live - 40);
          await device().synchronize();
        },
        [1, 2],
      ));

    it('says what is wrong', () => {
      scope(device(), () => {
        const x = leaf([1, 2]);
        const y = multiply(x, 2);
        expect(() => backward(y)).toThrow('backward: got a loss of shape [2]');
        expect(() => backward(sum(tensor(device(), [1])))).toThrow('does not depend on any tensor with requiresGrad');
        const loss = sum(y);
        backward(loss);
        expect(() => backward(loss)).toThrow('already consumed');
        x.dispose();
      });
    });
  });

  describe('values that were changed in place', () => {
    /** `backward` of sum(make(p)), after `change` of p = [3]. */
    const gradientAfter = async (make: (p: Tensor) => Tensor, change: (p: Tensor) => void): Promise<number[]> => {
      const p = leaf([3]);
      try {
        return await scope(device(), async () => {
          const loss = sum(make(p));
          change(p);
          backward(loss);
          return await values(p.grad);
        });
      } finally {
        p.dispose();
      }
    };
    const toTen = (p: Tensor): void => assign(p, [10]);

    it.each([
      ['multiply', (p: Tensor) => multiply(p, p)],
      ['multiply', (p: Tensor) => multiply(reshape(p, [1, 1]), reshape(p, [1, 1]))],
      ['square', square],
      ['matmul', (p: Tensor) => matmul(reshape(p, [1, 1]), reshape(p, [1, 1]))],
      ['max', (p: Tensor) => max(p)],
    ])('are an error where the gradient of %s needs them (%#)', async (op, make) => {
      const before = device().memory.liveBuffers;
      const message = `backward: the gradient of ${op} needs Tensor(f32 [1`;
      await expect(gradientAfter(make, toTen)).rejects.toThrow(message);
      await expect(gradientAfter(make, toTen)).rejects.toThrow(
        'changed in place since, by assign or an optimiser step',
      );
      expect(device().memory.liveBuffers).toBe(before);
    });

    it('are an error after an optimiser step, and leave the label of the device alone', async () => {
      device().label = 'trainer';
      const step = (p: Tensor): void => {
        const [firstMoment, secondMoment, gradient] = [state(device(), [1]), state(device(), [1]), ones(device(), [1])];
        const slot = { parameter: p, gradient, firstMoment, secondMoment, weightDecay: 0 };
        adamWStep(device(), [slot], { learningRate: 0.1, beta1: 0.9, beta2: 0.9, epsilon: 1e-8, step: 1 });
        for (const moment of [firstMoment, secondMoment]) moment.dispose();
        device().label = 'trainer';
      };
      const labelled = (p: Tensor): Tensor => {
        device().label = 'experts';
        return multiply(p, p);
      };
      await expect(gradientAfter(labelled, step)).rejects.toThrow('backward: the gradient of multiply needs');
      expect(device().label).toBe('trainer');
    });

    it.each([
      ['a sum', (p: Tensor) => add(p, p), 2],
      ['an exponential, whose gradient comes from its result', exp, Math.exp(3)],
      ['a product with what did not change', (p: Tensor) => multiply(p, tensor(p.device, [5])), 5],
      ['a copy', (p: Tensor) => square(affine(p, 1)), 6],
    ])('do not matter to the gradient of %s', async (_, make, expected) => {
      const [gradient] = await gradientAfter(make, toTen);
      expect(gradient).toBeCloseTo(expected, 4);
    });

    it('do not matter once `backward` has run', () =>
      withLeaves(
        async (p) => {
          backward(sum(multiply(p, p)));
          toTen(p);
          backward(sum(multiply(p, p)));
          expect(await values(p.grad)).toEqual([6 + 20]);
        },
        [3],
      ));
  });

  describe('scope', () => {
    it('frees what was made inside, also when it throws or is asynchronous', async () => {
      const before = device().memory.liveBuffers;
      scope(device(), () => exp(tensor(device(), [1])).shape);
      expect(() =>
        scope(device(), () => {
          tensor(device(), [1]);
          throw new Error('inside');
        }),
      ).toThrow('inside');
      await scope(device(), async () => {
        const x = tensor(device(), [1]);
        await device().synchronize();
        return exp(x).item();
      });
      expect(device().memory.liveBuffers).toBe(before);
    });

    it('hands results to the scope around it', async () => {
      const before = device().memory.liveBuffers;
      const kept = await scope(device(), async () => {
        const { a, list } = scope(device(), () => ({ a: tensor(device(), [1]), list: [tensor(device(), [2])] }));
        expect(await values(add(a, list[0]!))).toEqual([3]);
        return keep(tensor(device(), [4])).size;
      });
      expect(kept).toBe(1);
      expect(device().memory.liveBuffers).toBe(before + 1);
    });

    it('explains the use of a freed tensor', () => {
      let x: Tensor | undefined;
      scope(device(), () => {
        x = tensor(device(), [1]);
      });
      expect(() => exp(x!)).toThrow('used after it was freed: its scope has ended');
    });

    it('refuses scopes that overlap', async () => {
      const outer = scope(device(), async () => {
        await Promise.resolve();
      });
      const second = scope(device(), async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
      });
      await expect(outer).rejects.toThrow('await each scope before the next one');
      await expect(second).rejects.toThrow('await each scope');
    });

    it('records nothing when gradients are off', () => {
      const x = leaf([1]);
      scope(device(), () => expect(exp(x).node).toBeNull(), { gradients: false });
      x.dispose();
    });
  });

  it('assigns in place, and reads are of the moment', async () => {
    const x = state(device(), [2]);
    const first = x.data();
    assign(x, [1, 2]);
    const second = x.data();
    scope(device(), () => assign(x, tensor(device(), [3, 4])));
    expect([await first, await second, await x.data()].map((data) => [...data])).toEqual([
      [0, 0],
      [1, 2],
      [3, 4],
    ]);
    expect(() => assign(x, [1])).toThrow('holds 2 elements, got 1');
    x.dispose();
  });

  it('item refuses tensors of several elements', async () => {
    await scope(device(), async () => {
      await expect(tensor(device(), [1, 2]).item()).rejects.toThrow('item: the tensor has shape [2]');
    });
  });

  it('trains: a linear map is found by gradient descent', async () => {
    const w = leaf([0, 0, 0, 0], [2, 2]);
    for (let step = 0; step < 60; step++) {
      await scope(device(), async () => {
        const x = tensor(device(), [1, 0, 0, 1, 1, 1], [3, 2]);
        const target = tensor(device(), [2, -1, 0.5, 3, 2.5, 2], [3, 2]);
        const error = subtract(matmul(x, w), target);
        backward(sum(multiply(error, error)));
        assign(w, subtract(w, multiply(w.grad!, 0.2)));
        w.grad!.dispose();
        w.grad = null;
      });
    }
    const learned = await values(w);
    [2, -1, 0.5, 3].forEach((expected, i) => expect(learned[i]).toBeCloseTo(expected, 3));
    w.dispose();
  });
});
