/** @lpr/tensor: eager tensors with automatic differentiation on a WebAssembly or GPU device. */
export { backward } from './autograd.ts';
export type { Device, DeviceBuffer, DeviceMemory } from './devices/device.ts';
export type { Kernels } from './devices/kernels.ts';
export { type DeviceName, type DeviceOptions, createDevice } from './devices/index.ts';
export { type GpuDevice, type GpuDeviceOptions, createGpuDevice } from './devices/gpu/index.ts';
export {
  type Profile,
  type ProfileTimes,
  type WasmDevice,
  type WasmDeviceOptions,
  createWasmDevice,
} from './devices/wasm/index.ts';
export * from './ops/attention.ts';
export * from './ops/cross-entropy.ts';
export {
  type Operand,
  abs,
  add,
  affine,
  cast,
  divide,
  equal,
  exp,
  greater,
  log,
  maximum,
  minimum,
  multiply,
  negate,
  reciprocal,
  relu,
  rsqrt,
  sigmoid,
  sign,
  silu,
  softplus,
  sqrt,
  square,
  subtract,
  tanh,
} from './ops/elementwise.ts';
export * from './ops/matmul.ts';
export * from './ops/movement.ts';
export { layerNorm, logSoftmax, logSumExp, rmsNorm, softmax } from './ops/normalization.ts';
export * from './ops/optimizer.ts';
export { type ReduceOptions, max, mean, min, sum } from './ops/reduce.ts';
export * from './ops/rows.ts';
export * from './random.ts';
export { type ScopeOptions, keep, scope } from './scope.ts';
export { type Shape, sizeOf } from './shape.ts';
export { type DType, Tensor, type TensorData, assign, full, ones, parameter, state, tensor, zeros } from './tensor.ts';
