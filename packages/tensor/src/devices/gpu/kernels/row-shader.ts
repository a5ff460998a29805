/**
 * Kernels over long rows in one launch: a workgroup has a row of `[rows, columns]`. Its threads take every 64th column
 * each, so that neighbours read neighbouring numbers, and add up, or compare, what they found in workgroup memory.
 */
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';
import { SHORT_ROW } from './over-rows.ts';

/** Threads of a workgroup. */
const THREADS = 64;

/** Of these so many add up eight parts each. */
const FEW = 8;

/** The most columns of a row that is worth one workgroup alone. */
const LONGEST_ROW = 2 ** 18;

export interface RowShader {
  readonly key: string;
  readonly rows: number;
  readonly columns: number;
  readonly buffers: Readonly<Record<string, Value>>;
  readonly numbers?: Readonly<Record<string, number>>;
  readonly integers?: Readonly<Record<string, number>>;
  /** What it writes: a number for each row, or for each element. */
  readonly results: Readonly<Record<string, 'row' | 'element'>>;
  /**
   * The statements of a thread, in WGSL. `row` is its row, `first` the place of the row's first element, both i32;
   * thread 0 writes what is one a row.
   */
  readonly body: string;
}

/** Whether rows are long enough, and not too long, to be done so, and WGSL runs. */
export function takesRows(run: Recorder, columns: number): boolean {
  return run.runsShaders && columns > SHORT_ROW && columns <= LONGEST_ROW;
}

/** The results in their order. */
export function launchRows(run: Recorder, shader: RowShader): Value[] {
  const { key, rows, columns, buffers, results, body, integers, numbers } = shader;
  return run.launchShader({
    key: `rows: ${key}`,
    buffers,
    integers: { columns, ...integers },
    numbers: { lowest: Number.NEGATIVE_INFINITY, ...numbers },
    results: Object.fromEntries(
      Object.entries(results).map(([name, each]) => [name, each === 'row' ? rows : rows * columns]),
    ),
    workgroups: [rows, 1, 1],
    code: () => ({
      threads: [THREADS, 1],
      memory: { found: `array<f32, ${THREADS}>`, few: `array<f32, ${FEW}>` },
      functions: FUNCTIONS,
      body: `let row = i32(group.x);
  let first = row * params.columns;
  ${body}`,
    }),
  });
}

/** An element of a buffer. */
export function read(buffer: string, place: string): string {
  return `${buffer}[params.${buffer}Start + ${place}]`;
}

/** Statements for each column of a thread: `column`, and `at`, the element's place. */
export function overColumns(statements: string): string {
  return `for (var column = i32(index); column < params.columns; column += ${THREADS}) {
    let at = first + column;
    ${statements}
  }`;
}

/** The sum of an expression over the columns of the row, as a variable. */
export function rowSum(name: string, element: string): string {
  return `var ${name}Part = 0.0;
  ${overColumns(`${name}Part += ${element};`)}
  let ${name} = sumOf(${name}Part, index);`;
}

/** Its maximum: NaN where an element is. */
export function rowMaximum(name: string, element: string): string {
  return `var ${name}Part = params.lowest;
  ${overColumns(`${name}Part = larger(${name}Part, ${element});`)}
  let ${name} = largestOf(${name}Part, index);`;
}

/** Sets what is one a row. */
export function setRow(result: string, value: string): string {
  return `if (index == 0u) { ${result}[row] = ${value}; }`;
}

/**
 * A function that puts the parts of all threads together: eight of them each, then those. What the first barrier waits
 * for is also that nobody reads `few` of the time before.
 */
function reduction(name: string, combine: (a: string, b: string) => string): string {
  const all = (buffer: string, from: string, count: number): string =>
    Array.from({ length: count }, (_, i) => `${buffer}[${from}${i}u]`).reduce(combine);
  return `fn ${name}(part : f32, index : u32) -> f32 {
  found[index] = part;
  workgroupBarrier();
  if (index < ${FEW}u) { few[index] = ${all('found', `index * ${THREADS / FEW}u + `, THREADS / FEW)}; }
  workgroupBarrier();
  return ${all('few', '', FEW)};
}`;
}

/** By their bits: compilers of shading languages may take it that no NaN exists. */
const FUNCTIONS = `
fn noNumber(x : f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn larger(a : f32, b : f32) -> f32 {
  return select(a, b, noNumber(b) || (!noNumber(a) && b > a));
}

${reduction('sumOf', (a, b) => `${a} + ${b}`)}
${reduction('largestOf', (a, b) => `larger(${a}, ${b})`)}
`;
