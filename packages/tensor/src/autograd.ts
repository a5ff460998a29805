/**
 * Reverse-mode differentiation. Each op that has a tracked input leaves a node: its inputs and its vector-Jacobian
 * product (VJP). `backward` walks the nodes from the loss in reverse order of creation, which is a topological order,
 * and frees each as it goes. Nodes hold what they need themselves, so tensors of the forward pass may be freed earlier;
 * nodes that `backward` never reaches are freed with the outermost scope.
 */
import { copyInto } from './creation.ts';
import { atOnce, type Pausing } from './pausing.ts';
import { gradientsEnabled, keep, ownNode, pausingScope } from './scope.ts';
import { formatShape, sameShape } from './shape.ts';
import { Tensor } from './tensor.ts';

/** Gradients of the inputs, in their order; null where an input needs none. */
export type Gradients = readonly (Tensor | null)[];

/** A vector-Jacobian product; one that pauses needs `backwardPausing`. */
export type Vjp = (gradient: Tensor) => Gradients | Pausing<Gradients>;

let created = 0;

export class GraphNode {
  readonly op: string;
  readonly inputs: readonly Tensor[];
  readonly vjp: Vjp;
  /** What the VJP reads, held by handles of its own so that it outlives the tensors of the forward pass. */
  readonly saved: readonly Tensor[];
  /** The device's label when the op was recorded. */
  readonly label: string;
  /** Place in the order of creation: inputs always come before outputs. */
  readonly order: number = created++;
  released = false;

  constructor(op: string, label: string, inputs: readonly Tensor[], saved: readonly Tensor[], vjp: Vjp) {
    this.op = op;
    this.label = label;
    this.inputs = inputs;
    this.saved = saved;
    this.vjp = vjp;
  }

  /** Frees what the VJP would have read. */
  release(): void {
    this.released = true;
    for (const tensor of this.saved) tensor.dispose();
  }
}

/**
 * Declares how `output` was computed, so that gradients flow back to `inputs`. `save` names the tensors that the VJP
 * reads; the VJP gets handles to them that stay valid until it has run. Nothing is recorded when no input is tracked.
 */
export function record(
  op: string,
  output: Tensor,
  inputs: readonly Tensor[],
  save: readonly Tensor[],
  vjp: (gradient: Tensor, saved: readonly Tensor[], needs: readonly boolean[]) => ReturnType<Vjp>,
): Tensor {
  if (!needsGradient(inputs)) return output;
  const saved = save.map(
    (tensor) =>
      new Tensor(tensor.device, tensor.shape, tensor.dtype, { sharing: tensor, persistent: true, savedFor: op }),
  );
  const needs = inputs.map((input) => input.tracked);
  output.node = new GraphNode(op, output.device.label, inputs, saved, (gradient) => vjp(gradient, saved, needs));
  ownNode(output.device, output.node);
  return output;
}

/** Whether an op on these inputs must be recorded. */
export function needsGradient(inputs: readonly Tensor[]): boolean {
  return inputs.some((input) => input.tracked) && gradientsEnabled(inputs[0]!.device);
}

/**
 * Gets what a use of a leaf adds to its gradient: d loss / d leaf is the sum of all that it gets for that leaf, in that
 * order. It owns `contribution`, and disposes of it.
 */
export type GradientReceiver = (leaf: Tensor, contribution: Tensor) => void;

/**
 * Adds d loss / d leaf to `grad` of every leaf with `requiresGrad` that the loss depends on; the memory of each is its
 * own. `loss` is a scalar, or `gradient` (of its shape) is given. The graph is consumed: a second call on it throws, as
 * does one after values that a gradient needs were changed in place.
 *
 * @param receive in place of adding to `grad`; it is called while the pass is recorded, as soon as the contribution is
 */
export function backward(loss: Tensor, gradient?: Tensor, receive?: GradientReceiver): void {
  atOnce(backwardPausing(loss, gradient, receive));
}

/** As `backward`, through ops that wait for other ranks. */
export function* backwardPausing(
  loss: Tensor,
  gradient?: Tensor,
  receive: GradientReceiver = addToGradient,
): Pausing<void> {
  if (gradient === undefined ? loss.size !== 1 : !sameShape(loss.shape, gradient.shape)) {
    throw new RangeError(
      `backward: got a loss of shape ${formatShape(loss.shape)}${
        gradient === undefined
          ? '; reduce it to a scalar or give a gradient'
          : ` and a gradient of ${formatShape(gradient.shape)}`
      }`,
    );
  }
  if (loss.node === null && !loss.requiresGrad) {
    throw new Error(
      'backward: the loss does not depend on any tensor with requiresGrad, or its graph was already consumed',
    );
  }
  const { device } = loss;
  const { label } = device;
  const begun = new Set<Tensor>();
  try {
    yield* pausingScope(
      device,
      function* () {
        const seed = gradient ?? new Tensor(device, loss.shape);
        if (gradient === undefined) device.kernels.fill({ out: seed.buffer, value: 1, count: 1, integer: false });
        yield* propagate(loss, seed, (leaf, contribution) => {
          if (leaf.grad === null) begun.add(leaf);
          receive(leaf, handleOf(contribution));
        });
      },
      { gradients: false },
    );
  } finally {
    device.label = label;
  }
  // Only now, when what the pass itself held is freed: hardly any gradient is then still shared.
  for (const leaf of begun) ownGradient(leaf);
}

function* propagate(loss: Tensor, seed: Tensor, receive: GradientReceiver): Pausing<void> {
  const { device } = loss;
  const gradients = new Map<Tensor, Tensor>([[loss, seed]]);
  // One tensor may be the gradient of several inputs (both terms of a sum): it is freed with its last use.
  const release = (gradient: Tensor): void => {
    if (gradient !== seed && ![...gradients.values()].includes(gradient)) gradient.dispose();
  };
  for (const tensor of inReverseOrder(loss)) {
    const gradient = gradients.get(tensor);
    gradients.delete(tensor);
    const { node } = tensor;
    if (node?.released) throw new Error(`backward: the graph below ${node.op} was already consumed or freed`);
    if (gradient !== undefined) {
      if (node === null) {
        receive(tensor, gradient);
      } else {
        device.label = node.label;
        // A scope a node: what the VJP computed on the way is freed at once, its results pass to the scope of
        // `backward`.
        const contributions = yield* pausingScope(device, function* () {
          const found = node.vjp(gradient);
          return [...('next' in found ? yield* found : found)];
        });
        // Freed only when every input has its gradient: a later one may be the same tensor.
        const summed: Tensor[] = [];
        node.inputs.forEach((input, i) => {
          const contribution = contributions[i];
          if (!contribution || !input.tracked) return;
          if (input.node === null) {
            // At once, so that gradients of earlier calls do not wait beside all new ones.
            receive(input, contribution);
            summed.push(contribution);
            return;
          }
          const sum = gradients.get(input);
          gradients.set(input, sum === undefined ? contribution : addGradients(sum, contribution));
          if (sum !== undefined) summed.push(sum, contribution);
        });
        summed.forEach(release);
      }
      release(gradient);
    }
    node?.release();
  }
}

/** Everything that the loss was computed from, latest first. Leaves come last. */
function inReverseOrder(loss: Tensor): Tensor[] {
  const seen = new Set<Tensor>([loss]);
  const stack = [loss];
  for (let tensor = stack.pop(); tensor !== undefined; tensor = stack.pop()) {
    for (const input of tensor.node?.inputs ?? []) {
      if (input.tracked && !seen.has(input)) {
        seen.add(input);
        stack.push(input);
      }
    }
  }
  return [...seen].sort((a, b) => (b.node?.order ?? -1) - (a.node?.order ?? -1));
}

function addGradients(a: Tensor, b: Tensor): Tensor {
  const out = new Tensor(a.device, a.shape);
  a.device.kernels.binary({
    op: 'add',
    a: a.buffer,
    b: b.buffer,
    out: out.buffer,
    shape: [a.size],
    aStrides: [1],
    bStrides: [1],
  });
  return out;
}

/** A handle of its own, since the same tensor may be the gradient of several leaves. */
function handleOf(gradient: Tensor): Tensor {
  return new Tensor(gradient.device, gradient.shape, 'f32', { sharing: gradient, persistent: true });
}

/** Gives a gradient that is also that of other leaves, or the caller's, memory of its own. */
function ownGradient(leaf: Tensor): void {
  const { grad } = leaf;
  if (!grad?.sharesMemory) return;
  const own = new Tensor(grad.device, grad.shape, 'f32', { persistent: true });
  copyInto(grad, own);
  grad.dispose();
  leaf.grad = own;
}

/** What `backward` does with what a use of a leaf adds to its gradient, unless told otherwise. */
export function addToGradient(leaf: Tensor, contribution: Tensor): void {
  const before = leaf.grad;
  leaf.grad = before === null ? contribution : keep(addGradients(before, contribution));
  if (before === null) return;
  before.dispose();
  contribution.dispose();
}
