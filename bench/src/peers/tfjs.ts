/** TensorFlow.js, wasm backend. Its threads need a browser: in Node it reports no support and uses one. */
import { createRequire } from 'node:module';
import type * as Tf from '@tensorflow/tfjs-core';
import { ADAM, type Input, LAYER_NORM_EPSILON, type Peer, productShapes, type Work } from '../work.ts';

type Tfjs = typeof Tf;

interface Job {
  readonly run: () => void;
  readonly result: () => Tf.Tensor;
}

export async function openTfjs(): Promise<Peer> {
  const tf: Tfjs = await import('@tensorflow/tfjs-core');
  await import('@tensorflow/tfjs-backend-wasm');
  // The build for Node comes without gradients. They are modules that only tsx's `require` can load.
  createRequire(import.meta.url)('@tensorflow/tfjs-core/dist/register_all_gradients.js');
  if (!(await tf.setBackend('wasm'))) throw new Error('the wasm backend did not start');
  return {
    async prepare(work, inputs) {
      const { run, result } = job(tf, work, inputs);
      return {
        async run(times) {
          for (let i = 0; i < times; i++) run();
        },
        result: async () => Float32Array.from(await result().data()),
      };
    },
  };
}

function job(tf: Tfjs, work: Work, inputs: readonly Input[]): Job {
  const of = (index: number, ...shape: number[]): Tf.Tensor =>
    tf.tensor(inputs[index]!, shape, inputs[index] instanceof Int32Array ? 'int32' : 'float32');
  const pure = (compute: () => Tf.Tensor): Job => ({
    run: () => tf.tidy(compute).dispose(),
    result: () => tf.tidy(compute),
  });
  switch (work.kind) {
    case 'matmul': {
      const shapes = productShapes(work);
      const [a, b] = [of(0, ...shapes.a), of(1, ...shapes.b)];
      return pure(() => tf.matMul(a, b, work.transposeA, work.transposeB));
    }
    case 'add': {
      const [x, y] = [of(0, work.count), of(1, work.count)];
      return pure(() => tf.add(x, y));
    }
    case 'silu': {
      const x = of(0, work.count);
      return pure(() => tf.mul(x, tf.sigmoid(x)));
    }
    case 'softmax': {
      const x = of(0, work.rows, work.columns);
      return pure(() => tf.softmax(x));
    }
    case 'layerNorm': {
      const [x, weight, bias] = [of(0, work.rows, work.columns), of(1, work.columns), of(2, work.columns)];
      return pure(() => {
        const { mean, variance } = tf.moments(x, -1, true);
        const scale = tf.rsqrt(tf.add(variance, LAYER_NORM_EPSILON));
        return tf.add(tf.mul(tf.mul(tf.sub(x, mean), scale), weight), bias);
      });
    }
    case 'gatherRows': {
      const [table, indices] = [of(0, work.tableRows, work.columns), of(1, work.rows)];
      return pure(() => tf.gather(table, indices));
    }
    case 'topK': {
      const x = of(0, work.rows, work.columns);
      return pure(() => tf.topk(x, work.k).values);
    }
    case 'attention': {
      const shape = [work.batch, work.sequence, work.heads, work.headDim];
      const [q, k, v] = [of(0, ...shape), of(1, ...shape), of(2, ...shape)];
      const after = tf.linalg.bandPart(tf.ones([work.sequence, work.sequence]), -1, 0);
      const mask = tf.mul(tf.sub(1, after), -1e9);
      const attention = (q: Tf.Tensor, k: Tf.Tensor, v: Tf.Tensor): Tf.Tensor => {
        const [queries, keys, values] = [q, k, v].map((x) => tf.transpose(x, [0, 2, 1, 3])) as [
          Tf.Tensor,
          Tf.Tensor,
          Tf.Tensor,
        ];
        const scores = tf.mul(tf.matMul(queries, keys, false, true), work.headDim ** -0.5);
        return tf.transpose(tf.matMul(tf.softmax(tf.add(scores, mask)), values), [0, 2, 1, 3]);
      };
      if (!work.backward) return pure(() => attention(q, k, v));
      const gradient = of(3, ...shape);
      const gradients = tf.grads((q: Tf.Tensor, k: Tf.Tensor, v: Tf.Tensor) =>
        tf.sum(tf.mul(attention(q, k, v), gradient)),
      );
      return pure(() => tf.concat(gradients([q, k, v]).map((x) => tf.reshape(x, [x.size]))));
    }
    case 'adamW': {
      const [parameter, gradient] = [tf.variable(of(0, work.count)), of(1, work.count)];
      const optimizer = tf.train.adam(ADAM.learningRate, ADAM.beta1, ADAM.beta2, ADAM.epsilon);
      const run = (): void => optimizer.applyGradients([{ name: parameter.name, tensor: gradient }]);
      return {
        run,
        result() {
          run();
          return parameter;
        },
      };
    }
    case 'mlpStep': {
      const { batch, inputs, hidden, classes } = work;
      const images = of(0, batch, inputs);
      const labels = tf.oneHot(of(1, batch), classes);
      const [w1, b1] = [tf.variable(of(2, inputs, hidden)), tf.variable(of(3, hidden))];
      const [w2, b2] = [tf.variable(of(4, hidden, classes)), tf.variable(of(5, classes))];
      const optimizer = tf.train.adam(ADAM.learningRate, ADAM.beta1, ADAM.beta2, ADAM.epsilon);
      const step = (): Tf.Tensor =>
        optimizer.minimize(() => {
          const logits = tf.add(tf.matMul(tf.relu(tf.add(tf.matMul(images, w1), b1)), w2), b2);
          return tf.losses.softmaxCrossEntropy<Tf.Tensor, Tf.Scalar>(labels, logits);
        }, true)!;
      return {
        run: () => step().dispose(),
        result: () => tf.stack([step(), step(), step()]),
      };
    }
  }
}
