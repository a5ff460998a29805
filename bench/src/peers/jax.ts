/**
 * jax-js, wasm backend, with everything compiled by `jit`. An operation uses its arguments up; `ref` is one more
 * reference.
 */
import type * as Jax from '@jax-js/jax';
import { ADAM, type Input, LAYER_NORM_EPSILON, type Peer, productShapes, type Work } from '../work.ts';

type Engine = typeof Jax;
type Array_ = Jax.Array;

interface Job {
  /** Records the work once; what to wait for, and to dispose of. */
  readonly once: () => Array_[];
  /** Numbers of the outcome, from what the last time left; by default the results themselves. */
  readonly result?: () => Promise<Float32Array>;
}

export async function openJax(): Promise<Peer> {
  const jax: Engine = await import('@jax-js/jax');
  const devices = await jax.init('wasm');
  if (!devices.includes('wasm')) throw new Error(`the wasm backend did not start: ${devices.join(', ')}`);
  jax.defaultDevice('wasm');
  return {
    async prepare(work, inputs) {
      const { once, result } = job(jax, work, inputs);
      return {
        async run(times) {
          for (let i = 0; i < times; i++) {
            const out = once();
            for (const array of out) {
              await array.blockUntilReady();
              array.dispose();
            }
          }
        },
        result: result ?? (async () => await joined(once())),
      };
    },
  };
}

/** The numbers of some arrays, one after the other. */
async function joined(arrays: readonly Array_[]): Promise<Float32Array> {
  const parts: number[] = [];
  for (const array of arrays) for (const value of await array.data()) parts.push(Number(value));
  return Float32Array.from(parts);
}

function job(jax: Engine, work: Work, inputs: readonly Input[]): Job {
  const { numpy: np, nn, lax, jit } = jax;
  const of = (index: number, ...shape: number[]): Array_ => np.array(inputs[index]!, { shape });
  switch (work.kind) {
    case 'matmul': {
      const shapes = productShapes(work);
      const [a, b] = [of(0, ...shapes.a), of(1, ...shapes.b)];
      const turned = (x: Array_): Array_ => np.transpose(x, work.batch === 1 ? [1, 0] : [0, 2, 1]);
      const multiply = (a: Array_, b: Array_): Array_ =>
        np.matmul(work.transposeA ? turned(a) : a, work.transposeB ? turned(b) : b);
      return { once: () => [multiply(a.ref, b.ref)] };
    }
    case 'add': {
      const [x, y] = [of(0, work.count), of(1, work.count)];
      const add = jit((x: Array_, y: Array_) => np.add(x, y));
      return { once: () => [add(x.ref, y.ref)] };
    }
    case 'silu': {
      const x = of(0, work.count);
      const silu = jit((x: Array_) => nn.silu(x));
      return { once: () => [silu(x.ref)] };
    }
    case 'softmax': {
      const x = of(0, work.rows, work.columns);
      const softmax = jit((x: Array_) => nn.softmax(x));
      return { once: () => [softmax(x.ref)] };
    }
    case 'layerNorm': {
      const [x, weight, bias] = [of(0, work.rows, work.columns), of(1, work.columns), of(2, work.columns)];
      const normalize = jit((x: Array_, weight: Array_, bias: Array_) =>
        np.add(np.multiply(nn.standardize(x, -1, { epsilon: LAYER_NORM_EPSILON }), weight), bias),
      );
      return { once: () => [normalize(x.ref, weight.ref, bias.ref)] };
    }
    case 'gatherRows': {
      const [table, indices] = [of(0, work.tableRows, work.columns), of(1, work.rows)];
      const take = jit((table: Array_, indices: Array_) => np.take(table, indices, 0));
      return { once: () => [take(table.ref, indices.ref)] };
    }
    case 'topK': {
      const x = of(0, work.rows, work.columns);
      return {
        once() {
          const [values, indices] = lax.topK(x.ref, work.k);
          indices.dispose();
          return [values];
        },
      };
    }
    case 'attention': {
      const shape = [work.batch, work.sequence, work.heads, work.headDim];
      const [q, k, v] = [of(0, ...shape), of(1, ...shape), of(2, ...shape)];
      // Its own dotProductAttention does the same, with an einsum that needs Node 22.
      const { sequence } = work;
      const later = Float32Array.from({ length: sequence ** 2 }, (_, i) =>
        i % sequence > Math.floor(i / sequence) ? -1e9 : 0,
      );
      const attention = (q: Array_, k: Array_, v: Array_): Array_ => {
        const [queries, values] = [q, v].map((x) => np.transpose(x, [0, 2, 1, 3])) as [Array_, Array_];
        const scores = np.multiply(np.matmul(queries, np.transpose(k, [0, 2, 3, 1])), work.headDim ** -0.5);
        const mask = np.array(later, { shape: [sequence, sequence] });
        return np.transpose(np.matmul(nn.softmax(np.add(scores, mask)), values), [0, 2, 1, 3]);
      };
      if (!work.backward) {
        const forward = jit(attention);
        return { once: () => [forward(q.ref, k.ref, v.ref)] };
      }
      const gradient = of(3, ...shape);
      const gradients = jit(
        jax.grad(
          (q: Array_, k: Array_, v: Array_, gradient: Array_) => np.sum(np.multiply(attention(q, k, v), gradient)),
          { argnums: [0, 1, 2] },
        ),
      );
      return { once: () => [...gradients(q.ref, k.ref, v.ref, gradient.ref)] };
    }
    case 'adamW': {
      const adam = adamOf(jax, [of(0, work.count)]);
      const gradient = of(1, work.count);
      const update = jit((parameters: Array_[], moments: Array_[], gradient: Array_, corrections: Array_) =>
        adam.update(parameters, moments, [gradient], corrections),
      );
      const once = (): Array_[] => {
        adam.take(update(adam.parameters, adam.moments, gradient.ref, adam.corrections()));
        return adam.parameters.map((parameter) => parameter.ref);
      };
      return { once };
    }
    case 'mlpStep': {
      const { batch, inputs: width, hidden, classes } = work;
      const images = of(0, batch, width);
      const labels = nn.oneHot(of(1, batch), classes);
      const adam = adamOf(jax, [of(2, width, hidden), of(3, hidden), of(4, hidden, classes), of(5, classes)]);
      const lossOf = (parameters: Array_[], images: Array_, labels: Array_): Array_ => {
        const [w1, b1, w2, b2] = parameters as [Array_, Array_, Array_, Array_];
        const logits = np.add(np.matmul(nn.relu(np.add(np.matmul(images, w1), b1)), w2), b2);
        const chosen = np.sum(np.multiply(logits.ref, labels), -1);
        return np.mean(np.subtract(nn.logsumexp(logits, -1), chosen));
      };
      const step = jit(
        (parameters: Array_[], moments: Array_[], images: Array_, labels: Array_, corrections: Array_) => {
          const references = parameters.map((parameter) => parameter.ref);
          const [loss, gradients] = jax.valueAndGrad(lossOf)(references, images, labels);
          return { loss, ...adam.update(parameters, moments, gradients, corrections) };
        },
      );
      const once = (): Array_[] => {
        const result = step(adam.parameters, adam.moments, images.ref, labels.ref, adam.corrections());
        adam.take(result);
        return [result.loss];
      };
      return { once, result: async () => await joined([...once(), ...once(), ...once()]) };
    }
  }
}

interface AdamState {
  parameters: Array_[];
  /** First moments, then second ones. */
  moments: Array_[];
}

function adamOf(
  { numpy: np }: Engine,
  parameters: Array_[],
): AdamState & {
  update(
    parameters: Array_[],
    moments: Array_[],
    gradients: readonly Array_[],
    corrections: Array_,
  ): { parameters: Array_[]; moments: Array_[] };
  /** `[1 - beta1^step, 1 - beta2^step]` of the next step. */
  corrections(): Array_;
  take(state: AdamState): void;
} {
  const { learningRate, beta1, beta2, epsilon } = ADAM;
  let step = 0;
  return {
    parameters,
    moments: [...parameters, ...parameters].map((parameter) => np.zeros(parameter.shape)),
    update(parameters, moments, gradients, corrections) {
      const count = parameters.length;
      const [first, second] = np.split(corrections, 2) as [Array_, Array_];
      const firsts = gradients.map((gradient, i) =>
        np.add(np.multiply(moments[i]!, beta1), np.multiply(gradient.ref, 1 - beta1)),
      );
      const seconds = gradients.map((gradient, i) =>
        np.add(np.multiply(moments[count + i]!, beta2), np.multiply(np.square(gradient), 1 - beta2)),
      );
      const updated = parameters.map((parameter, i) => {
        const root = np.add(np.sqrt(np.divide(seconds[i]!.ref, second.ref)), epsilon);
        const direction = np.divide(np.divide(firsts[i]!.ref, first.ref), root);
        return np.subtract(parameter, np.multiply(direction, learningRate));
      });
      first.dispose();
      second.dispose();
      return { parameters: updated, moments: [...firsts, ...seconds] };
    },
    corrections() {
      step++;
      return np.array([1 - beta1 ** step, 1 - beta2 ** step]);
    },
    take(state) {
      this.parameters = state.parameters;
      this.moments = state.moments;
    },
  };
}
