/** What ops say about shapes and types that do not fit: the op, what it got, and the rule. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../src/devices/device.ts';
import { createWasmDevice } from '../src/devices/wasm/index.ts';
import * as api from '../src/index.ts';
import type { OpName } from './conformance/index.ts';

let device: Device;
beforeAll(async () => {
  device = await createWasmDevice({ threads: 0 });
});
afterAll(() => device.dispose());

const f32 = (...shape: number[]): api.Tensor => api.ones(device, shape);
const i32 = (...shape: number[]): api.Tensor => api.zeros(device, shape, 'i32');
const plan = (keys: number, segments: number): api.SegmentPlan => api.segmentPlan(i32(keys), segments);
const key = api.RandomKey.fromSeed(1);

type Misuse = readonly [run: () => unknown, message: string];
const extents = 'a shape has whole, non-negative extents, got [2, -1]';
const scalar = 'works along the last axis, got a scalar';

/** An op of one f32 argument. */
const unary = (name: OpName, op: (x: api.Tensor) => unknown): Misuse[] => [
  [() => op(i32(2, 3)), `${name}: x must be f32, got Tensor(i32 [2, 3]); convert with cast()`],
];
const binary = (name: OpName, op: (a: api.Tensor, b: api.Tensor) => unknown): Misuse[] => [
  [
    () => op(f32(2, 3), f32(4)),
    `${name}: shapes [2, 3] and [4] do not broadcast: aligned at the last axis, extents must be equal or 1`,
  ],
  [() => op(f32(2), i32(2)), `${name}: b must be f32, got Tensor(i32 [2]); convert with cast()`],
];
const reduction = (name: OpName, op: (x: api.Tensor, axis?: number) => unknown): Misuse[] => [
  [() => op(f32(2, 3), 2), `${name}: axis 2 does not exist in a tensor of rank 2`],
  ...unary(name, op),
];
const alongRows = (name: OpName, op: (x: api.Tensor) => unknown): Misuse[] => [
  [() => op(f32()), `${name}: ${scalar}`],
  ...unary(name, op),
];

/** Ops without an entry do not compile; cast takes every tensor. */
const misuses: Record<Exclude<OpName, 'cast'>, readonly Misuse[]> = {
  abs: unary('abs', api.abs),
  adamWStep: [
    [
      () =>
        api.adamWStep(
          device,
          [{ parameter: f32(2), gradient: f32(3), firstMoment: f32(2), secondMoment: f32(2), weightDecay: 0 }],
          { learningRate: 1, beta1: 0.9, beta2: 0.9, epsilon: 1e-8, step: 1 },
        ),
      'adamWStep: parameter [2] with a gradient or moment of [3]',
    ],
  ],
  add: binary('add', api.add),
  affine: unary('affine', (x) => api.affine(x, 2)),
  assign: [
    [() => api.assign(f32(2), f32(3)), 'assign: cannot copy Tensor(f32 [3]) into Tensor(f32 [2])'],
    [() => api.assign(f32(2), [1, 2, 3]), 'assign: Tensor(f32 [2]) holds 2 elements, got 3'],
  ],
  causalAttention: [
    [
      () => api.causalAttention(f32(1, 3, 2, 4), f32(1, 2, 2, 4), f32(1, 2, 2, 4)),
      'causalAttention: q [1, 3, 2, 4], k [1, 2, 2, 4], v [1, 2, 2, 4]: expected equal batch',
    ],
    [
      () => api.causalAttention(f32(3, 4), f32(1, 2, 2, 4), f32(1, 2, 2, 4)),
      'causalAttention: q must be [batch, sequence, heads, headDim], got [3, 4]',
    ],
  ],
  combineRows: [
    [
      () => api.combineRows(f32(5, 2), f32(2, 2), plan(4, 3)),
      'combineRows: x [5, 2] and weights [2, 2] do not fit a plan of 4 choices in 4 places',
    ],
  ],
  concatenate: [
    [
      () => api.concatenate([f32(2, 3), f32(3, 4)], 1),
      'concatenate: Tensor(f32 [3, 4]) does not fit Tensor(f32 [2, 3]) along axis 1: all other extents must be equal',
    ],
    [() => api.concatenate([], 0), 'concatenate: needs at least one tensor'],
  ],
  crossEntropy: [
    [() => api.crossEntropy(f32(2, 3), i32(4)), 'crossEntropy: 4 labels for [2, 3], which has 2 rows'],
    [() => api.crossEntropy(f32(2, 3), f32(2)), 'crossEntropy: labels must be i32, got Tensor(f32 [2])'],
  ],
  dispatchRows: [
    [
      () => api.dispatchRows(f32(3, 1), plan(4, 2)),
      'dispatchRows: a plan of 4 choices is not a whole number of choices for each of 3 rows',
    ],
    [() => api.dispatchRows(f32(3), plan(3, 2)), 'dispatchRows: x must be a matrix, got [3]'],
  ],
  divide: binary('divide', api.divide),
  embedding: [[() => api.embedding(f32(3), i32(2)), 'embedding: table must be a matrix, got [3]']],
  equal: binary('equal', api.equal),
  exp: unary('exp', api.exp),
  full: [[() => api.full(device, [2, -1], 1), `full: ${extents}`]],
  globalNorm: [
    [() => api.globalNorm([]), 'globalNorm: needs at least one tensor'],
    [() => api.globalNorm([i32(2)]), 'globalNorm: x must be f32, got Tensor(i32 [2])'],
  ],
  greater: binary('greater', api.greater),
  groupedLinear: [
    [
      () => api.groupedLinear(f32(4, 3), f32(2, 5, 2), plan(4, 2)),
      'groupedLinear: x [4, 3], weights [2, 5, 2], plan of 4 rows in 2 groups: expected x [rows, in], weights [groups, out, in]',
    ],
  ],
  layerNorm: [
    [() => api.layerNorm(f32(2, 3), f32(2), f32(3)), 'layerNorm: weight must have shape [3], got [2]'],
    [() => api.layerNorm(f32(2, 3), f32(3), f32(3, 1)), 'layerNorm: bias must have shape [3], got [3, 1]'],
  ],
  linear: [
    [
      () => api.linear(f32(2, 3), f32(5, 4)),
      'linear: x [2, 3], weight [5, 4]: expected x [..., in] of at least two axes, weight [out, in], bias [out]',
    ],
    [() => api.linear(f32(2, 3), f32(5, 3), f32(3)), 'linear: x [2, 3], weight [5, 3], bias [3]: expected'],
  ],
  linearCrossEntropy: [
    [
      () => api.linearCrossEntropy(f32(2, 3), f32(5, 4), i32(2)),
      'linearCrossEntropy: hidden [2, 3] and weight [5, 4]: expected [rows, width] and [classes, width]',
    ],
  ],
  log: unary('log', api.log),
  logSoftmax: alongRows('logSoftmax', api.logSoftmax),
  logSumExp: alongRows('logSumExp', api.logSumExp),
  matmul: [
    [
      () => api.matmul(f32(1, 2), f32(3, 1)),
      'matmul: [1, 2] times [3, 1]: the inner extents (2 and 3) and the leading axes must be equal',
    ],
    [
      () => api.matmul(f32(2, 1, 3), f32(3, 4, 3), { transposeB: true }),
      'matmul: [2, 1, 3] times [3, 4, 3]^T: the inner extents (3 and 3) and the leading axes must be equal',
    ],
    [() => api.matmul(f32(2), f32(2, 3)), 'matmul: needs matrices, got [2] and [2, 3]'],
  ],
  max: reduction('max', api.max),
  maximum: binary('maximum', api.maximum),
  mean: reduction('mean', api.mean),
  min: reduction('min', api.min),
  minimum: binary('minimum', api.minimum),
  multiply: binary('multiply', api.multiply),
  negate: unary('negate', api.negate),
  ones: [[() => api.ones(device, [2, -1]), `ones: ${extents}`]],
  permute: [[() => api.permute(f32(2, 3), [0, 0]), 'permute: [0, 0] is not an order of the 2 axes of [2, 3]']],
  randomNormal: [[() => api.randomNormal(device, [2, -1], key), `randomNormal: ${extents}`]],
  randomUniform: [[() => api.randomUniform(device, [2, -1], key), `randomUniform: ${extents}`]],
  reciprocal: unary('reciprocal', api.reciprocal),
  relu: unary('relu', api.relu),
  reshape: [
    [() => api.reshape(f32(3, 4), [5, -1]), 'reshape: [3, 4] has 12 elements, which do not fill [5, -1]'],
    [() => api.reshape(f32(3, 4), [2, 7]), 'reshape: [3, 4] has 12 elements, which do not fill [2, 7]'],
    [() => api.reshape(f32(3, 4), [-1, -1]), 'reshape: [3, 4] has 12 elements, which do not fill [-1, -1]'],
    [() => api.reshape(f32(3, 4), [-3, -4]), 'reshape: [3, 4] has 12 elements, which do not fill [-3, -4]'],
  ],
  rmsNorm: [[() => api.rmsNorm(f32(2, 3), f32(2)), 'rmsNorm: weight must have shape [3], got [2]']],
  rotary: [
    [
      () => api.rotary(f32(1, 5, 1, 4), api.rotaryTables(device, 3, 4, 100)),
      'rotary: tables for 3 positions of headDim 4 do not serve positions up to 5 of [1, 5, 1, 4]',
    ],
  ],
  rotaryTables: [[() => api.rotaryTables(device, 3, 5, 100), 'rotaryTables: headDim must be even, got 5']],
  rsqrt: unary('rsqrt', api.rsqrt),
  rowParts: [
    [() => api.rowParts(f32(3, 2), [1, 1]), 'rowParts: parts of 1, 1 rows do not make up [3, 2]'],
    [() => api.rowParts(f32(3), [3]), 'rowParts: x must be a matrix, got [3]'],
  ],
  scatterAlongRows: [
    [
      () => api.scatterAlongRows(f32(2, 3), i32(2, 3), 2),
      'scatterAlongRows: x [2, 3], indices [2, 3], 2 columns: expected one index an element',
    ],
  ],
  segmentPlan: [[() => api.segmentPlan(f32(2), 3), 'segmentPlan: keys must be i32, got Tensor(f32 [2])']],
  segmentSum: [
    [
      () => api.segmentSum(f32(3, 1), plan(4, 2)),
      'segmentSum: a plan of 4 choices is not a whole number of choices for each of 3 rows',
    ],
  ],
  sigmoid: unary('sigmoid', api.sigmoid),
  sign: unary('sign', api.sign),
  silu: unary('silu', api.silu),
  slice: [[() => api.slice(f32(2, 3), 1, 1, 4), 'slice: 1 .. 4 does not lie in axis 1 of [2, 3]']],
  softmax: alongRows('softmax', api.softmax),
  softplus: unary('softplus', api.softplus),
  sqrt: unary('sqrt', api.sqrt),
  square: unary('square', api.square),
  stretch: [
    [() => api.stretch(f32(2, 3), [2, 4]), 'stretch: shapes [2, 3] and [2, 4] do not broadcast'],
    [() => api.stretch(f32(2, 3), [3]), 'stretch: [2, 3] cannot be stretched to [3]'],
  ],
  subtract: binary('subtract', api.subtract),
  sum: reduction('sum', api.sum),
  swiGlu: [[() => api.swiGlu(f32(2, 3)), 'swiGlu: the last axis holds gate and up, got [2, 3]']],
  takeAlongRows: [[() => api.takeAlongRows(f32(2, 3), i32(3, 1)), 'takeAlongRows: indices [3, 1] do not have 2 rows']],
  tanh: unary('tanh', api.tanh),
  tensor: [
    [() => api.tensor(device, [1, 2, 3], [2, 2]), 'tensor: shape [2, 2] holds 4 elements, got 3'],
    [() => api.tensor(device, [], [2, -1]), `tensor: ${extents}`],
  ],
  topK: [[() => api.topK(f32(1, 2), 3), 'topK: k must be a whole number from 1 to 2 (the last axis of [1, 2]), got 3']],
  transpose: [[() => api.transpose(f32(2)), 'transpose: needs two axes, got [2]']],
  zeros: [[() => api.zeros(device, [2, -1]), `zeros: ${extents}`]],
};

describe.each(Object.entries(misuses))('%s', (_, cases) => {
  it.each(cases)('case %#', (run, message) => {
    const before = device.memory.liveBuffers;
    api.scope(device, () => {
      expect(run).toThrow(message);
    });
    expect(device.memory.liveBuffers).toBe(before);
  });
});

it('says which tensors live on other devices', async () => {
  const other = await createWasmDevice({ threads: 1 });
  api.scope(device, () => {
    expect(() => api.add(f32(2), api.ones(other, [2]))).toThrow(
      /^add: tensors live on different devices \(wasm, in place/,
    );
  });
  await other.dispose();
});
