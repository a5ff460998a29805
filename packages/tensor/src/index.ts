/** @lpr/tensor: eager tensors with automatic differentiation on a WebAssembly or GPU device. */
export { addToGradient, backward, backwardPausing, type GradientReceiver } from './autograd.ts';
export type { Device, DeviceBuffer, DeviceMemory } from './devices/device.ts';
export type { Kernels } from './devices/kernels/index.ts';
export { type DeviceName, type DeviceOptions, createDevice } from './devices/index.ts';
export { type GpuDevice, type GpuDeviceOptions, createGpuDevice } from './devices/gpu/index.ts';
export {
  type Profile,
  type ProfileTimes,
  type WasmDevice,
  type WasmDeviceOptions,
  createWasmDevice,
} from './devices/wasm/index.ts';
export {
  type TensorData,
  assign,
  full,
  ones,
  parameter,
  state,
  tensor,
  zeros,
} from './creation.ts';
export * from './ops/attention.ts';
export * from './ops/cross-entropy.ts';
export * from './ops/elementwise.ts';
export * from './ops/exchange.ts';
export * from './ops/gather.ts';
export * from './ops/grouped-matmul.ts';
export * from './ops/matmul.ts';
export * from './ops/movement.ts';
export * from './ops/norm.ts';
export * from './ops/optimizer.ts';
export * from './ops/random.ts';
export * from './ops/reduce.ts';
export * from './ops/rope.ts';
export { type SegmentPlan, segmentPlan, segmentSum } from './ops/segments.ts';
export * from './ops/softmax.ts';
export * from './ops/swiglu.ts';
export * from './ops/topk.ts';
export * from './pausing.ts';
export { packMoments, unpackMoments } from './packed-moments.ts';
export * from './random.ts';
export { HostNumbers, hostNumbers, receiveInto } from './host-numbers.ts';
export { type ScopeOptions, keep, pausingScope, scope } from './scope.ts';
export { type Shape, sizeOf } from './shape.ts';
export { type DType, Tensor } from './tensor.ts';
