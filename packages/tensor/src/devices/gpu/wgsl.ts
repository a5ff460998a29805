/**
 * The WGSL of a launch: gpu.js translates the functions of kernels, others are written in WGSL, and what stands around
 * them is ours: one uniform block of scalars, the buffers, the results, and the check of indices that the device made.
 *
 * Bindings of group 0, in this order: the scalars (a uniform with a dynamic offset), the buffers (read), the results
 * (written), and where the kernel checks indices, the fault (see FAULT_WORDS).
 */
import {
  checkLoops,
  checkMode,
  functionText,
  hasVectors,
  HELPERS,
  type KernelSource,
  kernelSettings,
  type LaunchPart,
  type ShaderSource,
  type Source,
} from './backend.ts';
import type { GpuJsKernel } from './gpujs.ts';

/** What a program binds. */
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

/**
 * Words before the scalars of a launch: workgroups in a row, and for each part its extents, its workgroups along x and
 * y, and behind which workgroup it ends.
 */
const PART_HEADER = ['extentX', 'extentY', 'extentZ', 'groupsX', 'groupsY', 'end'] as const;

/** What the fault holds: which check found it (0: none did), the bits of the index, and FAULT_MARK. */
export const FAULT_WORDS = 4;

/** Tells a fault from memory that was never written: Dawn's null backend hands that out. */
export const FAULT_MARK = 0x1d0f_ba6d;

/** A gpu.js kernel as gpu.js translated it. */
export interface Translation {
  /** Helpers that it calls, by name. */
  readonly helpers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Translates a gpu.js kernel; `create` makes gpu.js kernels of mode webgpu. */
export function translate(source: KernelSource, create: (text: string, settings: object) => GpuJsKernel): Translation {
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
  return { helpers: helpersOf(kernel.translatedFunctions), body: kernel.translatedBody };
}

/** Threads of a workgroup along x and y. */
export function threadsOf(source: Source): readonly [number, number] {
  if (source.kind === 'shader') return source.threads;
  return source.extents.length === 1 ? [64, 1] : [8, 8];
}

/**
 * The shader of a launch: each part has its workgroups, one part's behind the other's, and its results.
 *
 * @param translationOf what gpu.js made of a kernel
 */
export function shaderOf(parts: readonly LaunchPart[], translationOf: (source: KernelSource) => Translation): Shader {
  const sources = parts.map(({ source }) => source);
  const translations = sources.map((source) => (source.kind === 'kernel' ? translationOf(source) : null));
  const checksIndices = sources.some((source) => source.kind === 'kernel' && source.indices.length > 0);
  const named = (names: (source: Source) => readonly string[]): string[] =>
    sources.flatMap((source, i) => names(source).map((name) => scalarName(name, i)));
  const header = ['rowGroups', ...parts.flatMap((_, i) => PART_HEADER.map((name) => `${name}${i}`))];
  const integers = named((source) => source.integers);
  const numbers = named((source) => source.numbers);
  const vectors = parts.flatMap(({ source, buffers }) =>
    buffers.filter((_, i) => hasVectors(source, source.buffers[i]!)),
  );
  const buffers = 1 + Math.max(-1, ...parts.flatMap((part) => part.buffers));
  const results = sources.flatMap((source, i) =>
    resultsOf(source).map((name) => ({ name: bound(name, i), vector: hasVectors(source, name) })),
  );
  const memory = new Map(sources.flatMap((source) => (source.kind === 'shader' ? memoryOf(source) : [])));
  const helpers = new Map(translations.flatMap((translation) => [...(translation?.helpers ?? [])]));
  const [across, down] = threadsOf(sources[0]!);
  const calls = parts.map((_, i) => {
    const start = i === 0 ? '0u' : `params.end${i - 1}`;
    return `if (workgroup < params.end${i}) { part${i}(workgroup - ${start}, index); return; }`;
  });
  const members = [
    ...header.map((name) => `${name} : u32,`),
    ...integers.map((name) => `${name} : i32,`),
    ...numbers.map((name) => `${name} : f32,`),
  ];
  const typeOf = (vector: boolean): string => (vector ? 'array<vec4<f32>>' : 'array<f32>');
  const bindings = [
    ...Array.from({ length: buffers }, (_, i) => `read> buffer${i} : ${typeOf(vectors.includes(i))}`),
    ...results.map(({ name, vector }) => `read_write> ${name} : ${typeOf(vector)}`),
    ...(checksIndices ? [`read_write> fault : array<atomic<u32>, ${FAULT_WORDS}>`] : []),
  ];
  const code = `struct Params { ${members.join(' ')} }
@group(0) @binding(0) var<uniform> params : Params;
${bindings.map((binding, i) => `@group(0) @binding(${i + 1}) var<storage, ${binding};`).join('\n')}
${[...memory].map(([name, type]) => `var<workgroup> ${name} : ${type};`).join('\n')}
var<private> threadGid : vec3<u32>;
fn fround(x : f32) -> f32 { return x; }
${checksIndices ? CHECK : ''}
${[...helpers.values()].join('\n')}
@compute @workgroup_size(${across * down})
fn main(@builtin(workgroup_id) id : vec3<u32>, @builtin(local_invocation_index) index : u32) {
  let workgroup = id.x + id.y * params.rowGroups;
  ${calls.join('\n  ')}
}
${parts.map((part, i) => partCode(part, i, translations[i]!)).join('\n')}`;
  return {
    code,
    buffers,
    results: results.length,
    checksIndices,
    header: header.length,
    integers: integers.length,
    scalars: integers.length + numbers.length,
  };
}

function resultsOf(source: Source): readonly string[] {
  return source.kind === 'shader' ? source.results : ['result'];
}

/** What a scalar, and what else is global, is called in part `part` of a launch. */
function scalarName(name: string, part: number): string {
  return `user_${part}_${name}`;
}
function bound(name: string, part: number): string {
  return `${name}_${part}`;
}

/**
 * Types of variables in workgroup memory, by their names in a launch: workgroups are of one part each, so parts share
 * variables of a type.
 */
function memoryOf(source: ShaderSource): [string, string][] {
  return Object.values(source.memory ?? {}).map((type, i) => [`memory${i}_${type.replaceAll(/\W+/g, '_')}`, type]);
}

/** What a part runs for a thread of its workgroup `workgroup`. */
function partCode({ source, buffers }: LaunchPart, part: number, translation: Translation | null): string {
  const [x, y] = [`params.groupsX${part}`, `params.groupsY${part}`];
  const place = `let group = vec3<u32>(workgroup % ${x}, (workgroup / ${x}) % ${y}, workgroup / ${x} / ${y});`;
  const open = `fn part${part}(workgroup : u32, index : u32) {`;
  if (source.kind === 'kernel') {
    const renamed = translation!.body
      .replaceAll(/\bparams\.user_/g, `params.user_${part}_`)
      .replaceAll(/\bget_user_/g, `get_user_${part}_`)
      .replaceAll(/\bresult\[/g, `${bound('result', part)}[`);
    const accessors = source.buffers.map((name, i) =>
      accessor(scalarName(name, part), `buffer${buffers[i]!}`, source.indices.includes(name)),
    );
    const place3 = source.extents.length === 1 ? LINE : `  ${place}\n${BOX}`;
    return `${accessors.join('\n')}
${open}
${place3.replaceAll(/\bextent[XYZ]\b/g, `params.$&${part}`)}
${renamed}
}`;
  }
  const { functions = '', body, threads, results } = source;
  const names = new Map<string, string>(source.buffers.map((name, i) => [name, `buffer${buffers[i]!}`]));
  for (const name of results) names.set(name, bound(name, part));
  for (const [i, name] of Object.keys(source.memory ?? {}).entries()) names.set(name, memoryOf(source)[i]![0]);
  for (const [, name] of functions.matchAll(/\bfn (\w+)\(/g)) names.set(name!, bound(name!, part));
  const renamed = (text: string): string =>
    text
      .replaceAll(/\bparams\.(\w+)/g, (_, name: string) => `params.${scalarName(name, part)}`)
      .replaceAll(/(?<!\.)\b(\w+)(?=[[(])/g, (name) => names.get(name) ?? name);
  return `${renamed(functions)}
${open}
  ${place}
  let local = vec2<u32>(index % ${threads[0]}u, index / ${threads[0]}u);
  ${renamed(body)}
}`;
}

const LINE = `  let flat = workgroup * 64u + index;
  if (flat >= extentX) { return; }
  threadGid = vec3<u32>(flat, 0u, 0u);
  let data_index : i32 = i32(flat);`;

const BOX = `  let gid = vec3<u32>(group.x * 8u + (index & 7u), group.y * 8u + (index >> 3u), group.z);
  if (gid.x >= extentX || gid.y >= extentY || gid.z >= extentZ) { return; }
  threadGid = gid;
  let data_index : i32 = i32(gid.x + extentX * (gid.y + extentY * gid.z));`;

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
function accessor(name: string, buffer: string, checked: boolean): string {
  const check = `checkIndex(value, params.${name}Limit, params.${name}Ignored, params.${name}Check);`;
  return `fn get_${name}(z : i32, y : i32, x : i32) -> f32 {
  let value = ${buffer}[u32(x)];
  ${checked ? check : ''}
  return value;
}`;
}

/** The translated helpers by name, with what WGSL does better in its place. */
function helpersOf(functions: string): Map<string, string> {
  const helpers = new Map<string, string>();
  for (const match of functions.matchAll(/fn fn_(\w+)\([^)]*\)\s*->\s*\w+\s*\{/g)) {
    const [opening, name] = match as unknown as [string, keyof typeof HELPERS];
    let at = match.index + opening.length;
    for (let depth = 1; depth > 0; at++) {
      if (functions[at] === '{') depth++;
      else if (functions[at] === '}') depth--;
    }
    const helper = HELPERS[name];
    helpers.set(name, 'native' in helper ? helper.native : functions.slice(match.index, at));
  }
  return helpers;
}
