/**
 * The AssemblyScript side of the commands: a number for each command and family, and a class for the words of each, of
 * which kernels never make an instance; they read the words at an address through it.
 */
import { opcodeOf } from '../src/devices/wasm/commands/encoding.ts';
import { type CommandName, FAMILIES, RECORDS } from '../src/devices/wasm/commands/index.ts';
import { type Layout, shared, type WordType } from '../src/devices/wasm/commands/words.ts';

const TYPES: Record<WordType, string> = {
  address: 'usize',
  i32: 'i32',
  u32: 'u32',
  f32: 'f32',
  flag: 'i32',
  axes: 'i32',
};

/** "ADAM_W_SEGMENT" to "AdamWSegment". */
function className(name: string): string {
  return name
    .split('_')
    .map((part) => part.slice(0, 1) + part.slice(1).toLowerCase())
    .join('');
}

/** "crossEntropy" to "CROSS_ENTROPY". */
function constantName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/** The shared words that a layout begins with, if any. */
function beginning(layout: Layout): { name: string; layout: Layout } | undefined {
  const words = Object.entries(layout).map(String);
  return Object.entries(shared)
    .map(([name, begin]) => ({ name, layout: begin as Layout }))
    .find(({ layout: begin }) => Object.entries(begin).every((word, i) => words[i] === String(word)));
}

function classText(name: string, layout: Layout, base?: { name: string; layout: Layout }): string {
  const own = Object.entries(layout).slice(Object.keys(base?.layout ?? {}).length);
  const fields = own.map(([word, type]) => `  ${word}: ${TYPES[type]};\n`);
  const heritage = base === undefined ? '' : ` extends ${className(base.name)}`;
  return `\n@unmanaged\nexport class ${name}${heritage} {\n${fields.join('')}}`;
}

/** The module of all numbers and classes. */
export function commandClasses(): string {
  const families = Object.entries(FAMILIES) as [string, Readonly<Record<string, Layout>>][];
  const numbers = [
    ...families.map(([name], i) => `export const ${constantName(name)}_FAMILY: i32 = ${i};`),
    ...families
      .flatMap(([, commands]) => Object.keys(commands))
      .map((name) => `export const ${name}: i32 = ${opcodeOf(name as CommandName)};`),
  ];
  const classes = [
    ...Object.entries(shared).map(([name, layout]) => classText(className(name), layout)),
    ...Object.entries(RECORDS).map(([name, layout]) => classText(className(name), layout)),
    ...families
      .flatMap(([, commands]) => Object.entries(commands))
      .map(([name, layout]) => classText(`${className(name)}Words`, layout, beginning(layout))),
  ];
  return ['// Made from commands/ by scripts/build-kernels.ts.', ...numbers, ...classes].join('\n');
}
