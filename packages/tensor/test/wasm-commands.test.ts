/** The words of commands: one declaration for the recording side and for the compiled kernels. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commandClasses } from '../scripts/command-classes.ts';
import { commandName, encodeRecords, encodeWords, floatBits, opcodeOf } from '../src/devices/wasm/commands/encoding.ts';
import { type CommandName, FAMILIES, RECORDS } from '../src/devices/wasm/commands/index.ts';
import type { Layout } from '../src/devices/wasm/commands/words.ts';
import type { Recorder } from '../src/devices/wasm/recorder.ts';
import { OPCODES } from '../src/devices/wasm/layout.ts';

const families = Object.entries(FAMILIES) as [string, Readonly<Record<string, Layout>>][];
const commands = families.flatMap(([family, list]) => Object.keys(list).map((name) => [family, name] as const));

/** The source of the kernels of a family, "crossEntropy" in cross-entropy.ts and files that its name begins. */
async function sourceOf(family: string): Promise<string> {
  const folder = join(import.meta.dirname, '../src/devices/wasm/assembly');
  const stem = family.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const files = (await readdir(folder)).filter((name) => name === `${stem}.ts` || name.startsWith(`${stem}-`));
  const shared = await readFile(join(folder, 'tiles.ts'), 'utf8');
  return [shared, ...(await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8'))))].join('\n');
}

it('numbers every command once, within what the layout has room for', () => {
  const opcodes = commands.map(([, name]) => opcodeOf(name as CommandName));
  expect(new Set(opcodes).size).toBe(opcodes.length);
  expect(Math.max(...opcodes)).toBeLessThan(OPCODES);
  expect(opcodes.map(commandName)).toEqual(commands.map(([, name]) => name));
  expect(commandName(0xfff)).toBe('unknown (255 of family 15)');
});

describe.each(families)('%s', (family, list) => {
  it('has kernels that read every word', async () => {
    const source = await sourceOf(family);
    const unread = Object.entries(list).flatMap(([name, layout]) =>
      Object.keys(layout)
        .filter((word) => !new RegExp(`\\.${word}\\b|\\('${word}'\\)`).test(source))
        .map((word) => `${name}.${word}`),
    );
    expect(unread).toEqual([]);
  });
});

it('encodes words in the order of their declaration, each as its type says', () => {
  const buffer = { elements: 3 };
  const address = (): number => 640;
  const axes = [
    { size: 2, first: 10, second: 20 },
    { size: 3, first: 1, second: 0 },
  ];
  // Given in another order than declared.
  const words = { axes, outStride: 7, xStride: 6, out: null, x: buffer, chunkColumns: 5, chunksPerRow: 4 };
  expect(encodeWords('COPY_ROWS', { ...words, rowsPerTile: 3, inner: 2, rows: 1 }, address)).toEqual([
    ...[1, 2, 3, 4, 5, 640, 0, 6, 7],
    ...[2, 2, 10, 20, 3, 1, 0],
  ]);
  const cast = { count: 9, chunk: 8, x: 64, out: 128, toInteger: true };
  expect(encodeWords('CAST', cast, address)).toEqual([9, 8, 64, 128, 1]);
  expect(encodeWords('AFFINE', { count: 1, chunk: 1, x: 0, out: 0, scale: 0.1, shift: -0 }, address)).toEqual([
    ...[1, 1, 0, 0, floatBits(0.1), -(2 ** 31)],
  ]);
  const moments = { firstMoment: buffer, secondMoment: 4, random: 9 };
  const segment = { parameter: 1, gradient: 2, ...moments, count: 5, kept: 1, firstTile: 7 };
  expect(encodeRecords('ADAM_W_SEGMENT', [segment, { ...segment, count: 6 }], address)).toEqual(
    [5, 6].flatMap((count) => [1, 2, 640, 4, 9, count, 0x3f800000, 7]),
  );
});

it('gives the kernels a class of the same words in the same order', () => {
  const classes = commandClasses();
  expect(classes).toContain(`
@unmanaged
export class Flat {
  count: i32;
  chunk: i32;
}
`);
  expect(classes).toContain(`
@unmanaged
export class CastWords extends Flat {
  x: usize;
  out: usize;
  toInteger: i32;
}
`);
  expect(classes).toContain(`
@unmanaged
export class SumOfSquaresSegment {
  x: usize;
  count: i32;
  firstTile: i32;
}
`);
  for (const [family, name] of commands) {
    expect(classes).toContain(`export const ${name}: i32 = ${opcodeOf(name as CommandName)};`);
    expect(classes).toMatch(
      new RegExp(`export const ${family.replaceAll(/[A-Z]/g, '_$&').toUpperCase()}_FAMILY: i32 =`),
    );
  }
  expect(classes.match(/^export class \w+Words /gm)).toHaveLength(commands.length);
  expect(Object.keys(RECORDS)).toEqual(['ADAM_W_SEGMENT', 'SUM_OF_SQUARES_SEGMENT']);
});

it('records no command with a word too few or too many', () => {
  const recorded: unknown[] = [];
  const record: Recorder['record'] = (...command) => {
    recorded.push(command);
  };
  record('SUM_OF_SQUARES_COMBINE', 1, { partials: 64, count: 1, out: 128 });
  // @ts-expect-error `out` is missing.
  record('SUM_OF_SQUARES_COMBINE', 1, { partials: 64, count: 1 });
  // @ts-expect-error There is no word `scale`.
  record('SUM_OF_SQUARES_COMBINE', 1, { partials: 64, count: 1, out: 128, scale: 1 });
  // @ts-expect-error A flag is true or false.
  record('CAST', 1, { count: 1, chunk: 1, x: 64, out: 128, toInteger: 1 });
  // @ts-expect-error There is no such command.
  record('SUM_OF_CUBES', 1, {});
  expect(recorded).toHaveLength(5);
});
