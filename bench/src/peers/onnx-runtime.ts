/** ONNX Runtime Web, wasm backend; used for matrix products alone: it runs models, here one of a single Gemm. */
import { type Peer, type Product, productShapes } from '../work.ts';

interface OnnxTensor {
  readonly data: Float32Array;
}
interface OnnxRuntime {
  readonly env: { readonly wasm: { numThreads: number } };
  readonly Tensor: new (type: 'float32', data: Float32Array, shape: number[]) => OnnxTensor;
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: { executionProviders: string[] },
    ): Promise<{ run(feeds: Record<'a' | 'b', OnnxTensor>): Promise<Record<'c', OnnxTensor>> }>;
  };
}

/** Its own types want those of browsers. */
const PACKAGE: string = 'onnxruntime-web';

/** The number of threads is one for the whole process. */
export async function openOnnxRuntime(threads: number): Promise<Peer> {
  const ort = (await import(PACKAGE)) as OnnxRuntime;
  ort.env.wasm.numThreads = threads;
  return {
    async prepare(work, inputs) {
      if (work.kind !== 'matmul' || work.batch !== 1) throw new Error('not built as a model here');
      const shape = productShapes(work);
      const session = await ort.InferenceSession.create(gemmModel(work), { executionProviders: ['wasm'] });
      const feeds = {
        a: new ort.Tensor('float32', inputs[0] as Float32Array, shape.a),
        b: new ort.Tensor('float32', inputs[1] as Float32Array, shape.b),
      };
      return {
        async run(times) {
          for (let i = 0; i < times; i++) await session.run(feeds);
        },
        result: async () => Float32Array.from((await session.run(feeds)).c.data),
      };
    },
  };
}

/** The protobuf of a ModelProto (onnx.proto3) with one Gemm node: `c = op(a) op(b)`. */
function gemmModel(product: Product): Uint8Array {
  const { m, n, transposeA, transposeB } = product;
  const shape = productShapes(product);
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
