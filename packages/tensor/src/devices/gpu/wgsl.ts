/**
 * The WGSL of a kernel: gpu.js translates the function, and what stands around it is ours: one uniform block of
 * scalars, the buffers, the results, and the check of indices that the device made.
 *
 * Bindings of group 0, in this order: the scalars (a uniform with a dynamic offset), the buffers (read), the results
 * (written), and where the kernel checks indices, the fault (see FAULT_WORDS).
 */
import {
  checkLoops,
  checkMode,
  functionText,
  HELPERS,
  type KernelSource,
  kernelSettings,
  type ShaderSource,
} from './backend.ts';
import type { GpuJsKernel } from './gpujs.ts';

/** What a program binds, and how its workgroups cover the threads of a launch. */
export interface Shader {
  readonly code: string;
  readonly buffers: number;
  readonly results: number;
  readonly checksIndices: boolean;
  /** Words of the uniform block before the scalars. */
  readonly header: number;
  /** How many scalars there are, and how many of them, the first, are whole numbers. */
  readonly scalars: number;
  readonly integers: number;
}

/** Words before the scalars of a translated kernel: extents along x, y and z, and threads in a row of workgroups. */
const HEADER = ['extentX', 'extentY', 'extentZ', 'rowThreads'] as const;

/** What the fault holds: which check found it (0: none did), the bits of the index, and FAULT_MARK. */
export const FAULT_WORDS = 4;

/** Tells a fault from memory that was never written: Dawn's null backend hands that out. */
export const FAULT_MARK = 0x1d0f_ba6d;

/** Threads of a workgroup, by the number of axes of the launch. */
export function workgroupOf(axes: number): readonly [number, number, number] {
  return axes === 1 ? [64, 1, 1] : [8, 8, 1];
}

/** The shader of a gpu.js kernel; `create` makes gpu.js kernels of mode webgpu. */
export function translate(source: KernelSource, create: (text: string, settings: object) => GpuJsKernel): Shader {
  const kernel = create(functionText(source), {
    ...kernelSettings(source, 'WebGPUBuffer'),
    output: source.extents.map(() => 1),
    immutable: false,
  });
  // What it would do next is to build a pipeline of its own.
  kernel._buildAsync = () => Promise.resolve();
  const scalars = [...source.integers, ...source.numbers];
  void kernel.build(...source.buffers.map(() => ({})), ...scalars.map(() => 0));
  checkMode(kernel, 'webgpu');
  checkLoops(kernel.compiledSource, source);
  const { indices } = source;
  const prefixed = (names: readonly string[]): string[] => names.map((name) => `user_${name}`);
  const [x, y] = workgroupOf(source.extents.length);
  const code = `${frame({
    buffers: prefixed(source.buffers),
    integers: prefixed(source.integers),
    numbers: prefixed(source.numbers),
    results: ['result'],
    header: HEADER,
    checksIndices: indices.length > 0,
  })}
var<private> threadGid : vec3<u32>;
fn fround(x : f32) -> f32 { return x; }
${source.buffers.map((name) => accessor(name, indices.includes(name))).join('\n')}
${withNativeHelpers(kernel.translatedFunctions)}
@compute @workgroup_size(${x}, ${y}, 1)
fn main(@builtin(global_invocation_id) gid : vec3<u32>) {
${source.extents.length === 1 ? LINE : BOX}
${kernel.translatedBody}
}`;
  return {
    code,
    buffers: source.buffers.length,
    results: 1,
    checksIndices: indices.length > 0,
    header: HEADER.length,
    integers: source.integers.length,
    scalars: scalars.length,
  };
}

/** One axis folds over y where it has more workgroups than fit along x. */
const LINE = `  let flat = gid.x + gid.y * params.rowThreads;
  if (flat >= params.extentX) { return; }
  threadGid = vec3<u32>(flat, 0u, 0u);
  let data_index : i32 = i32(flat);`;

const BOX = `  if (gid.x >= params.extentX || gid.y >= params.extentY || gid.z >= params.extentZ) { return; }
  threadGid = gid;
  let data_index : i32 = i32(gid.x + params.extentX * (gid.y + params.extentY * gid.z));`;

/** The shader of a kernel written in WGSL. */
export function shaderOf(source: ShaderSource): Shader {
  const { buffers, results, integers, numbers, code } = source;
  return {
    code: `${frame(source)}\n${code}`,
    buffers: buffers.length,
    results: results.length,
    checksIndices: false,
    header: 0,
    integers: integers.length,
    scalars: integers.length + numbers.length,
  };
}

/** Declarations of everything that is bound. */
export function frame(
  bound: Omit<ShaderSource, 'code'> & {
    readonly header?: readonly string[];
    readonly checksIndices?: boolean;
  },
): string {
  const { buffers, integers, numbers, results, vectorsBut, header = [], checksIndices = false } = bound;
  const members = [
    ...header.map((name) => `${name} : u32,`),
    ...integers.map((name) => `${name} : i32,`),
    ...numbers.map((name) => `${name} : f32,`),
  ];
  // A uniform block has a member at least.
  if (members.length === 0) members.push('unused : u32,');
  const lines = [`struct Params { ${members.join(' ')} }`, '@group(0) @binding(0) var<uniform> params : Params;'];
  let binding = 1;
  const bind = (access: string, name: string, type: string): void => {
    lines.push(`@group(0) @binding(${binding++}) var<storage, ${access}> ${name} : ${type};`);
  };
  const typeOf = (name: string): string =>
    vectorsBut === undefined || vectorsBut.includes(name) ? 'array<f32>' : 'array<vec4<f32>>';
  for (const name of buffers) bind('read', name, typeOf(name));
  for (const name of results) bind('read_write', name, typeOf(name));
  if (checksIndices) {
    bind('read_write', 'fault', `array<atomic<u32>, ${FAULT_WORDS}>`);
    lines.push(CHECK);
  }
  return lines.join('\n');
}

/** Keeps the first index that is out of bounds; what is not a number is. */
const CHECK = `fn checkIndex(value : f32, limit : i32, ignored : i32, check : i32) {
  let index = i32(value);
  let isNumber = (bitcast<u32>(value) & 0x7fffffffu) <= 0x7f800000u;
  if ((isNumber && index >= 0 && index < limit) || index == ignored) { return; }
  if (!atomicCompareExchangeWeak(&fault[0], 0u, u32(check)).exchanged) { return; }
  atomicStore(&fault[1], bitcast<u32>(value));
  atomicStore(&fault[2], ${FAULT_MARK}u);
}`;

/** The function by which gpu.js reads a buffer; the first two places are always 0. */
function accessor(name: string, checked: boolean): string {
  const check = `checkIndex(value, params.user_${name}Limit, params.user_${name}Ignored, params.user_${name}Check);`;
  return `fn get_user_${name}(z : i32, y : i32, x : i32) -> f32 {
  let value = user_${name}[u32(x)];
  ${checked ? check : ''}
  return value;
}`;
}

/** The translated helpers, with what WGSL does better in its place. */
function withNativeHelpers(functions: string): string {
  let text = functions;
  for (const [name, helper] of Object.entries(HELPERS)) {
    if (!('native' in helper)) continue;
    const opening = new RegExp(`fn fn_${name}\\([^)]*\\)\\s*->\\s*\\w+\\s*\\{`).exec(text);
    if (opening === null) continue;
    let at = opening.index + opening[0].length;
    for (let depth = 1; depth > 0; at++) {
      if (text[at] === '{') depth++;
      else if (text[at] === '}') depth--;
    }
    text = `${text.slice(0, opening.index)}${helper.native}${text.slice(at)}`;
  }
  return text;
}
