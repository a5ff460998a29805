/**
 * Attention without its scores in memory (Dao et al., "FlashAttention: Fast and Memory-Efficient Exact Attention with
 * IO-Awareness", 2022): a workgroup takes some rows, a thread each, and passes over the rows that these see in slices,
 * which it keeps in workgroup memory. A row and what is summed up for it stay in the thread's variables.
 */
import type { AttentionArguments } from '../../kernels/attention.ts';
import type { ShaderCode } from '../backend.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';

type Sizes = Pick<AttentionArguments, 'batch' | 'sequence' | 'heads' | 'keyHeads' | 'headDim' | 'valueDim' | 'scale'>;

/** Threads of a workgroup, and rows that it makes. */
const ROWS = 64;

/** Numbers of both slices together: what WebGPU promises of workgroup memory is 4,096, and some are needed besides. */
const MOST_IN_SLICES = 3840;

/** The widest rows of which a thread holds as many as it must: one and its sum, or, backwards, two and their sums. */
const WIDEST = 128;
const WIDEST_BACKWARD = 64;

/** Below so many rows most threads of a workgroup would have none, and the scores are few. */
const LEAST_ROWS = 64;

/** Rows of a slice: a power of two that divides ROWS. */
function sliceOf({ headDim, valueDim }: Sizes): number {
  return Math.min(32, 2 ** Math.floor(Math.log2(MOST_IN_SLICES / (headDim + valueDim))));
}

function fits(
  run: Recorder,
  { headDim, valueDim, batch, sequence, heads }: Sizes,
  widest: number,
  values: readonly Value[],
): boolean {
  const widths = [headDim, valueDim];
  return (
    run.runsShaders &&
    sequence >= LEAST_ROWS &&
    widths.every((width) => width > 0 && width % 4 === 0 && width <= widest) &&
    values.every(({ offset }) => offset % 4 === 0) &&
    Math.max(batch, heads) <= 65_535
  );
}

/** `out` and `logSumExp` of causal attention, as the kernel list says; null where it is to be done otherwise. */
export function fusedAttention(
  run: Recorder,
  sizes: Sizes,
  q: Value,
  k: Value,
  v: Value,
): [out: Value, sums: Value] | null {
  const { batch, sequence, heads, valueDim } = sizes;
  if (!fits(run, sizes, WIDEST, [q, k, v])) return null;
  const made = run.launchShader({
    ...common(sizes),
    key: `attention ${keyOf(sizes)}`,
    buffers: { q, k, v },
    results: { out: batch * sequence * heads * valueDim, logSumExp: batch * heads * sequence },
    vectorsBut: ['logSumExp'],
    workgroups: [Math.ceil(sequence / ROWS), heads, batch],
    code: () => forwardCode(sizes),
  });
  return made as [Value, Value];
}

/** Gradients of q, k and v; null where they are to be made otherwise. */
export function fusedAttentionBackward(
  run: Recorder,
  sizes: Sizes,
  given: { readonly [name in 'q' | 'k' | 'v' | 'out' | 'gradient' | 'logSumExp']: Value },
): [q: Value, k: Value, v: Value] | null {
  const { batch, sequence, heads, keyHeads, headDim, valueDim } = sizes;
  const { out, logSumExp, ...rows } = given;
  if (!fits(run, sizes, WIDEST_BACKWARD, [...Object.values(rows), out])) return null;
  const [gradQ, dots] = run.launchShader({
    ...common(sizes),
    key: `attention gradient of queries ${keyOf(sizes)}`,
    buffers: { ...rows, out, logSumExp },
    results: { gradQ: batch * sequence * heads * headDim, dots: batch * heads * sequence },
    vectorsBut: ['logSumExp', 'dots'],
    workgroups: [Math.ceil(sequence / ROWS), heads, batch],
    code: () => queriesCode(sizes),
  });
  const [gradK, gradV] = run.launchShader({
    ...common(sizes),
    key: `attention gradient of keys ${keyOf(sizes)}`,
    buffers: { ...rows, logSumExp, dots: dots! },
    results: { gradK: batch * sequence * keyHeads * headDim, gradV: batch * sequence * keyHeads * valueDim },
    vectorsBut: ['logSumExp', 'dots'],
    workgroups: [Math.ceil(sequence / ROWS), keyHeads, batch],
    code: () => keysCode(sizes),
  });
  return [gradQ!, gradK!, gradV!];
}

function common({ sequence, scale }: Sizes) {
  return { integers: { sequence }, numbers: { scale } };
}

function keyOf({ heads, keyHeads, headDim, valueDim }: Sizes): string {
  return [heads, keyHeads, headDim, valueDim].join(' ');
}

/** `line` for each vector of a row of `width` numbers. */
function each(width: number, line: (vector: number) => string): string {
  return Array.from({ length: width / 4 }, (_, vector) => line(vector)).join(' ');
}

/** Where the vectors of a row of `[batch, sequence, count, width]` begin. */
function rowAt(buffer: string, position: string, of: string, count: number, width: number): string {
  return `params.${buffer}Start / 4 + ((batch * params.sequence + ${position}) * ${count} + ${of}) * ${width / 4}`;
}

/** Loads the vectors of a row into variables `name0 ..`. */
function loadRow(name: string, buffer: string, of: string, count: number, width: number): string {
  return `let ${name}At = ${rowAt(buffer, 'own', of, count, width)};
  ${each(width, (i) => `let ${name}${i} = ${buffer}[${name}At + ${i}];`)}`;
}

/** The dot product of a row in variables `name0 ..` and one of a slice, declared as `into`. */
function dot(into: string, name: string, slice: string, row: string, width: number): string {
  const terms = each(width, (i) => {
    const element = `${slice}[${row} * ${width / 4} + ${i}]`;
    return i === 0 ? `var ${into}4 = ${name}0 * ${element};` : `${into}4 = fma(${name}${i}, ${element}, ${into}4);`;
  });
  return `${terms} let ${into} = (${into}4.x + ${into}4.y) + (${into}4.z + ${into}4.w);`;
}

/** `name0 += factor * slice[row]`, vector by vector. */
function addRow(name: string, factor: string, slice: string, row: string, width: number): string {
  return each(width, (i) => {
    return `${name}${i} = fma(vec4<f32>(${factor}), ${slice}[${row} * ${width / 4} + ${i}], ${name}${i});`;
  });
}

/** Loads rows `first ..` of a buffer into a slice; rows behind the end are zeros. */
function loadSlice(slice: string, buffer: string, rows: number, of: string, count: number, width: number): string {
  const vectors = width / 4;
  return `for (var i = thread; i < ${rows * vectors}; i += ${ROWS}) {
      let position = first + i / ${vectors};
      var value = vec4<f32>(0.0);
      if (position < params.sequence) { value = ${buffer}[${rowAt(buffer, 'position', of, count, width)} + i % ${vectors}]; }
      ${slice}[i] = value;
    }`;
}

/** What a thread is: its row, and `own`, a row that exists. `head` says which of `group.y` it has. */
function opening(head: string): string {
  return `let thread = i32(index);
  let row0 = i32(group.x) * ${ROWS};
  let row = row0 + thread;
  let own = min(row, params.sequence - 1);
  let ${head} = i32(group.y);
  let batch = i32(group.z);`;
}

function vectors(rows: number, width: number): string {
  return `array<vec4<f32>, ${(rows * width) / 4}>`;
}

function zeros(name: string, width: number): string {
  return each(width, (i) => `var ${name}${i} = vec4<f32>(0.0);`);
}

function forwardCode(sizes: Sizes): ShaderCode {
  const { heads, keyHeads, headDim, valueDim } = sizes;
  const slice = sliceOf(sizes);
  const memory = { keys: vectors(slice, headDim), values: vectors(slice, valueDim) };
  const body = `${opening('head')}
  let keyHead = head / ${heads / keyHeads};
  ${loadRow('query', 'q', 'head', heads, headDim)}
  ${zeros('sum', valueDim)}
  // The largest score so far, and the sum of the exponentials above it.
  var largest = -3.4e38;
  var total = 0.0;
  for (var first = 0; first < min(params.sequence, row0 + ${ROWS}); first += ${slice}) {
    ${loadSlice('keys', 'k', slice, 'keyHead', keyHeads, headDim)}
    ${loadSlice('values', 'v', slice, 'keyHead', keyHeads, valueDim)}
    workgroupBarrier();
    var scores : array<f32, ${slice}>;
    var top = largest;
    for (var j = 0; j < ${slice}; j++) {
      ${dot('product', 'query', 'keys', 'j', headDim)}
      scores[j] = params.scale * product;
      if (first + j <= row && scores[j] > top) { top = scores[j]; }
    }
    let shrunk = exp(largest - top);
    total *= shrunk;
    ${each(valueDim, (i) => `sum${i} *= shrunk;`)}
    for (var j = 0; j < ${slice}; j++) {
      if (first + j > row) { break; }
      let weight = exp(scores[j] - top);
      total += weight;
      ${addRow('sum', 'weight', 'values', 'j', valueDim)}
    }
    largest = top;
    workgroupBarrier();
  }
  if (row < params.sequence) {
    let outAt = ((batch * params.sequence + row) * ${heads} + head) * ${valueDim / 4};
    ${each(valueDim, (i) => `out[outAt + ${i}] = sum${i} / total;`)}
    logSumExp[(batch * ${heads} + head) * params.sequence + row] = log(total) + largest;
  }`;
  return { threads: [ROWS, 1], memory, body };
}

/** The gradient of a score, declared as `gradScore`, and its exponential `weight`. */
const SCORE_GRADIENT = `let weight = exp(params.scale * product - logSum);
      let gradScore = params.scale * weight * (change - outDot);`;

function queriesCode(sizes: Sizes): ShaderCode {
  const { heads, keyHeads, headDim, valueDim } = sizes;
  const slice = sliceOf(sizes);
  const memory = { keys: vectors(slice, headDim), values: vectors(slice, valueDim) };
  const body = `${opening('head')}
  let keyHead = head / ${heads / keyHeads};
  ${loadRow('query', 'q', 'head', heads, headDim)}
  ${loadRow('given', 'gradient', 'head', heads, valueDim)}
  let place = (batch * ${heads} + head) * params.sequence + own;
  let logSum = logSumExp[params.logSumExpStart + place];
  let outAt = ${rowAt('out', 'own', 'head', heads, valueDim)};
  var outDot4 = vec4<f32>(0.0);
  ${each(valueDim, (i) => `outDot4 = fma(out[outAt + ${i}], given${i}, outDot4);`)}
  let outDot = (outDot4.x + outDot4.y) + (outDot4.z + outDot4.w);
  ${zeros('sum', headDim)}
  for (var first = 0; first < min(params.sequence, row0 + ${ROWS}); first += ${slice}) {
    ${loadSlice('keys', 'k', slice, 'keyHead', keyHeads, headDim)}
    ${loadSlice('values', 'v', slice, 'keyHead', keyHeads, valueDim)}
    workgroupBarrier();
    for (var j = 0; j < ${slice}; j++) {
      if (first + j > row) { break; }
      ${dot('product', 'query', 'keys', 'j', headDim)}
      ${dot('change', 'given', 'values', 'j', valueDim)}
      ${SCORE_GRADIENT}
      ${addRow('sum', 'gradScore', 'keys', 'j', headDim)}
    }
    workgroupBarrier();
  }
  if (row < params.sequence) {
    let gradAt = ((batch * params.sequence + row) * ${heads} + head) * ${headDim / 4};
    ${each(headDim, (i) => `gradQ[gradAt + ${i}] = sum${i};`)}
    dots[place] = outDot;
  }`;
  return { threads: [ROWS, 1], memory, body };
}

function keysCode(sizes: Sizes): ShaderCode {
  const { heads, keyHeads, headDim, valueDim } = sizes;
  const slice = sliceOf(sizes);
  const memory = {
    queries: vectors(slice, headDim),
    changes: vectors(slice, valueDim),
    logSums: `array<f32, ${slice}>`,
    outDots: `array<f32, ${slice}>`,
  };
  const body = `${opening('keyHead')}
  ${loadRow('key', 'k', 'keyHead', keyHeads, headDim)}
  ${loadRow('value', 'v', 'keyHead', keyHeads, valueDim)}
  ${zeros('keySum', headDim)}
  ${zeros('valueSum', valueDim)}
  for (var head = keyHead * ${heads / keyHeads}; head < (keyHead + 1) * ${heads / keyHeads}; head++) {
    for (var first = row0; first < params.sequence; first += ${slice}) {
      ${loadSlice('queries', 'q', slice, 'head', heads, headDim)}
      ${loadSlice('changes', 'gradient', slice, 'head', heads, valueDim)}
      if (thread < ${slice}) {
        let place = (batch * ${heads} + head) * params.sequence + min(first + thread, params.sequence - 1);
        logSums[thread] = logSumExp[params.logSumExpStart + place];
        outDots[thread] = dots[params.dotsStart + place];
      }
      workgroupBarrier();
      for (var i = 0; i < ${slice}; i++) {
        if (first + i >= params.sequence) { break; }
        if (first + i < row) { continue; }
        let logSum = logSums[i];
        let outDot = outDots[i];
        ${dot('product', 'key', 'queries', 'i', headDim)}
        ${dot('change', 'value', 'changes', 'i', valueDim)}
        ${SCORE_GRADIENT}
        ${addRow('valueSum', 'weight', 'changes', 'i', valueDim)}
        ${addRow('keySum', 'gradScore', 'queries', 'i', headDim)}
      }
      workgroupBarrier();
    }
  }
  if (row < params.sequence) {
    let rowOf = (batch * params.sequence + row) * ${keyHeads} + keyHead;
    ${each(headDim, (i) => `gradK[rowOf * ${headDim / 4} + ${i}] = keySum${i};`)}
    ${each(valueDim, (i) => `gradV[rowOf * ${valueDim / 4} + ${i}] = valueSum${i};`)}
  }`;
  return { threads: [ROWS, 1], memory, body };
}
