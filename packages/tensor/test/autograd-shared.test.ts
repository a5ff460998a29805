/** A gradient that several inputs share. */
import { expect, it } from 'vitest';
import { backward } from '../src/autograd.ts';
import { parameter } from '../src/creation.ts';
import { add, affine, square } from '../src/ops/elementwise.ts';
import { sum } from '../src/ops/reduce.ts';
import { scope } from '../src/scope.ts';
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
