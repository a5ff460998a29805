/**
 * Other JavaScript engines that multiply matrices on the CPU, behind one interface. They are looked up when the program runs,
 * so that one that is not installed is merely left out; the little that is used of each is declared here.
 */

export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

export interface PreparedProduct {
  run(times: number): Promise<void>;
  /** The product, computed once. */
  result(): Promise<Float32Array>;
}

export interface Peer {
  /** Puts the operands where the engine wants them. */
  prepare(product: Product, a: Float32Array, b: Float32Array): Promise<PreparedProduct>;
}

/** `a [m, k]` as it is stored. */
function shapes({ m, n, k, transposeA, transposeB }: Product): { a: [number, number]; b: [number, number] } {
  return { a: transposeA ? [k, m] : [m, k], b: transposeB ? [n, k] : [k, n] };
}

interface TfjsTensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}
interface Tfjs {
  setBackend(name: string): Promise<boolean>;
  tensor2d(values: Float32Array, shape: [number, number]): TfjsTensor;
  matMul(a: TfjsTensor, b: TfjsTensor, transposeA: boolean, transposeB: boolean): TfjsTensor;
}

/** TensorFlow.js, wasm backend. Its threads need a browser: in Node it reports no support and uses one. */
async function openTfjs(): Promise<Peer> {
  const tf = await load<Tfjs>('@tensorflow/tfjs-core');
  await load('@tensorflow/tfjs-backend-wasm');
  if (!(await tf.setBackend('wasm'))) throw new Error('the wasm backend did not start');
  return {
    async prepare(product, aData, bData) {
      const shape = shapes(product);
      const a = tf.tensor2d(aData, shape.a);
      const b = tf.tensor2d(bData, shape.b);
      const multiply = (): TfjsTensor => tf.matMul(a, b, product.transposeA, product.transposeB);
      return {
        async run(times) {
          for (let i = 0; i < times; i++) multiply().dispose();
        },
        result: async () => Float32Array.from(await multiply().data()),
      };
    },
  };
}

/** An operation uses its arguments up; `ref` is one more reference. */
interface JaxArray {
  readonly ref: JaxArray;
  reshape(shape: [number, number]): JaxArray;
  blockUntilReady(): Promise<unknown>;
  data(): Promise<Float32Array>;
  dispose(): void;
}
interface Jax {
  init(...devices: string[]): Promise<string[]>;
  defaultDevice(device: string): unknown;
  readonly numpy: {
    array(values: Float32Array): JaxArray;
    transpose(x: JaxArray): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
  };
}

/** jax-js, wasm backend. */
async function openJax(): Promise<Peer> {
  const jax = await load<Jax>('@jax-js/jax');
  const { numpy } = jax;
  const devices = await jax.init('wasm');
  if (!devices.includes('wasm')) throw new Error(`the wasm backend did not start: ${devices.join(', ')}`);
  jax.defaultDevice('wasm');
  return {
    async prepare(product, aData, bData) {
      const shape = shapes(product);
      const a = numpy.array(aData).reshape(shape.a);
      const b = numpy.array(bData).reshape(shape.b);
      await a.blockUntilReady();
      await b.blockUntilReady();
      const multiply = (): JaxArray =>
        numpy.matmul(
          product.transposeA ? numpy.transpose(a.ref) : a.ref,
          product.transposeB ? numpy.transpose(b.ref) : b.ref,
        );
      return {
        async run(times) {
          for (let i = 0; i < times; i++) {
            const out = multiply();
            await out.blockUntilReady();
            out.dispose();
          }
        },
        result: async () => Float32Array.from(await multiply().data()),
      };
    },
  };
}

interface OnnxTensor {
  readonly data: Float32Array;
}
interface OnnxRuntime {
  readonly env: { readonly wasm: { numThreads: number } };
  readonly Tensor: new (type: 'float32', data: Float32Array, shape: [number, number]) => OnnxTensor;
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: { executionProviders: string[] },
    ): Promise<{ run(feeds: Record<'a' | 'b', OnnxTensor>): Promise<Record<'c', OnnxTensor>> }>;
  };
}

/** ONNX Runtime Web, wasm backend: a model of one Gemm. The number of threads is one for the whole process. */
async function openOnnxRuntime(threads: number): Promise<Peer> {
  const ort = await load<OnnxRuntime>('onnxruntime-web');
  ort.env.wasm.numThreads = threads;
  return {
    async prepare(product, aData, bData) {
      const shape = shapes(product);
      const session = await ort.InferenceSession.create(gemmModel(product), { executionProviders: ['wasm'] });
      const feeds = { a: new ort.Tensor('float32', aData, shape.a), b: new ort.Tensor('float32', bData, shape.b) };
      return {
        async run(times) {
          for (let i = 0; i < times; i++) await session.run(feeds);
        },
        result: async () => Float32Array.from((await session.run(feeds)).c.data),
      };
    },
  };
}

async function load<M>(name: string): Promise<M> {
  return (await import(name)) as M;
}

/** The protobuf of a ModelProto (onnx.proto3) with one Gemm node: `c = op(a) op(b)`. */
function gemmModel(product: Product): Uint8Array {
  const { m, n, transposeA, transposeB } = product;
  const shape = shapes(product);
  const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)]);
  const integer = (field: number, value: number): number[] => [...varint(field << 3), ...varint(value)];
  const bytes = (field: number, value: readonly number[]): number[] => [
    ...varint((field << 3) | 2),
    ...varint(value.length),
    ...value,
  ];
  const text = (field: number, value: string): number[] => bytes(field, [...Buffer.from(value)]);
  const attribute = (name: string, value: number): number[] =>
    bytes(5, [...text(1, name), ...integer(3, value), ...integer(20, 2)]);
  const FLOAT = 1;
  const tensor = (name: string, dimensions: readonly number[]): number[] => {
    const extents = bytes(
      2,
      dimensions.flatMap((extent) => bytes(1, integer(1, extent))),
    );
    return [...text(1, name), ...bytes(2, bytes(1, [...integer(1, FLOAT), ...extents]))];
  };
  const node = [
    ...[...text(1, 'a'), ...text(1, 'b'), ...text(2, 'c'), ...text(4, 'Gemm')],
    ...[...attribute('transA', Number(transposeA)), ...attribute('transB', Number(transposeB))],
  ];
  const graph = [
    ...[...bytes(1, node), ...text(2, 'gemm')],
    ...[...bytes(11, tensor('a', shape.a)), ...bytes(11, tensor('b', shape.b)), ...bytes(12, tensor('c', [m, n]))],
  ];
  const IR_VERSION = 8;
  const OPSET = 13;
  return Uint8Array.from([...integer(1, IR_VERSION), ...bytes(7, graph), ...bytes(8, integer(2, OPSET))]);
}

/** How to open each peer, by the name it goes by. */
export const peers: Readonly<Record<string, () => Promise<Peer>>> = {
  'tfjs 1T': openTfjs,
  'jax-js 1T': openJax,
  'onnxruntime-web 1T': () => openOnnxRuntime(1),
  'onnxruntime-web 2T': () => openOnnxRuntime(2),
};
