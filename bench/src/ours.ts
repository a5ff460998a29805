/** A device of ours as one more engine: the public ops, allocation and tape included. */
import {
  adamWStep,
  add,
  backward,
  causalAttention,
  crossEntropy,
  embedding,
  keep,
  layerNorm,
  matmul,
  multiply,
  parameter,
  relu,
  reshape,
  scope,
  silu,
  softmax,
  state,
  sum,
  type Tensor,
  tensor,
  concatenate,
  topK,
  type WasmDevice,
} from '@lpr/tensor';
import { ADAM, type Input, LAYER_NORM_EPSILON, type Peer, productShapes, type Work } from './work.ts';

interface Job {
  /** Records the work once; what it gives may be read. */
  readonly once: () => Tensor;
  /** How many times make the result; 1 unless given. */
  readonly steps?: number;
}

export function ours(device: WasmDevice): Peer {
  return {
    async prepare(work, inputs) {
      const { once, steps = 1 } = scope(device, () => job(device, work, inputs));
      return {
        async run(times) {
          for (let i = 0; i < times; i++) scope(device, () => void once());
          await device.synchronize();
        },
        async result() {
          return await scope(device, async () => {
            const results = Array.from({ length: steps }, () => reshape(once(), [-1]));
            return await (steps === 1 ? results[0]! : concatenate(results, 0)).dataF32();
          });
        },
      };
    },
  };
}

function job(device: WasmDevice, work: Work, inputs: readonly Input[]): Job {
  const of = (index: number, ...shape: number[]): Tensor => keep(tensor(device, inputs[index]!, shape));
  switch (work.kind) {
    case 'matmul': {
      const shapes = productShapes(work);
      const [a, b] = [of(0, ...shapes.a), of(1, ...shapes.b)];
      const { transposeA, transposeB } = work;
      return { once: () => matmul(a, b, { transposeA, transposeB }) };
    }
    case 'add': {
      const [x, y] = [of(0, work.count), of(1, work.count)];
      return { once: () => add(x, y) };
    }
    case 'silu': {
      const x = of(0, work.count);
      return { once: () => silu(x) };
    }
    case 'softmax': {
      const x = of(0, work.rows, work.columns);
      return { once: () => softmax(x) };
    }
    case 'layerNorm': {
      const [x, weight, bias] = [of(0, work.rows, work.columns), of(1, work.columns), of(2, work.columns)];
      return { once: () => layerNorm(x, weight, bias, LAYER_NORM_EPSILON) };
    }
    case 'gatherRows': {
      const [table, indices] = [of(0, work.tableRows, work.columns), of(1, work.rows)];
      return { once: () => embedding(table, indices) };
    }
    case 'topK': {
      const x = of(0, work.rows, work.columns);
      return { once: () => topK(x, work.k).values };
    }
    case 'attention': {
      const shape = [work.batch, work.sequence, work.heads, work.headDim];
      if (!work.backward) {
        const [q, k, v] = [of(0, ...shape), of(1, ...shape), of(2, ...shape)];
        return { once: () => causalAttention(q, k, v) };
      }
      const [q, k, v] = [of(0, ...shape), of(1, ...shape), of(2, ...shape)].map((x) => parameter(x)) as [
        Tensor,
        Tensor,
        Tensor,
      ];
      const gradient = of(3, ...shape);
      return {
        once() {
          backward(sum(multiply(causalAttention(q, k, v), gradient)));
          return takeGradients([q, k, v]);
        },
      };
    }
    case 'adamW': {
      const train = adam(device, [parameter(of(0, work.count))]);
      const gradient = of(1, work.count);
      return { once: () => train([gradient]) };
    }
    case 'mlpStep': {
      const { batch, inputs, hidden, classes } = work;
      const [images, labels] = [of(0, batch, inputs), of(1, batch)];
      const parameters = [of(2, inputs, hidden), of(3, hidden), of(4, hidden, classes), of(5, classes)].map((x) =>
        parameter(x),
      );
      const [w1, b1, w2, b2] = parameters as [Tensor, Tensor, Tensor, Tensor];
      const train = adam(device, parameters);
      return {
        steps: 3,
        once() {
          const logits = add(matmul(relu(add(matmul(images, w1), b1)), w2), b2);
          const { loss } = crossEntropy(logits, labels);
          backward(loss);
          train(parameters.map(({ grad }) => grad!));
          for (const parameter of parameters) dropGradient(parameter);
          return loss;
        },
      };
    }
  }
}

/** Updates the parameters by their gradients; gives the first of them. */
function adam(device: WasmDevice, parameters: readonly Tensor[]): (gradients: readonly Tensor[]) => Tensor {
  const slots = parameters.map((parameter) => ({
    parameter,
    firstMoment: state(device, parameter.shape),
    secondMoment: state(device, parameter.shape),
    weightDecay: 0,
  }));
  let step = 0;
  return (gradients) => {
    step++;
    adamWStep(
      device,
      slots.map((slot, i) => ({ ...slot, gradient: gradients[i]! })),
      { ...ADAM, step },
    );
    return parameters[0]!;
  };
}

/** The gradients, one after the other, read or not: they end with the parameters' hold on them. */
function takeGradients(parameters: readonly Tensor[]): Tensor {
  const joined = concatenate(
    parameters.map(({ grad }) => reshape(grad!, [grad!.size])),
    0,
  );
  for (const parameter of parameters) dropGradient(parameter);
  return joined;
}

function dropGradient(parameter: Tensor): void {
  parameter.grad!.dispose();
  parameter.grad = null;
}
