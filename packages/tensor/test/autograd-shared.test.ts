/** A gradient that several inputs share. */
import { expect, it } from 'vitest';
import { backward } from '../src/autograd.ts';
import { parameter } from '../src/creation.ts';
import { add, square } from '../src/ops/elementwise.ts';
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
});
