/** The numbers that commands become: which kernel, and what its words hold. */
import type { DeviceBuffer } from '../../device.ts';
import { type CommandName, type Commands, FAMILIES, RECORDS, type RecordName, type Records } from './index.ts';
import type { Axis, Layout, Words, WordType } from './words.ts';

/** Words of arguments that fit one command. */
export const ARGUMENT_WORDS = 60;

interface Encoding {
  readonly opcode: number;
  readonly words: readonly (readonly [name: string, type: WordType])[];
}

const encodings: ReadonlyMap<string, Encoding> = new Map(
  Object.values(FAMILIES).flatMap((commands: Readonly<Record<string, Layout>>, family) =>
    Object.entries(commands).map(([name, layout], command) => [
      name,
      { opcode: family * 256 + command, words: Object.entries(layout) },
    ]),
  ),
);

/** The number of a command. */
export function opcodeOf(name: CommandName): number {
  return encodings.get(name)!.opcode;
}

/** The name of a command's number, or that it is unknown: for errors and profiles. */
export function commandName(opcode: number): string {
  const named = [...encodings].find(([, encoding]) => encoding.opcode === opcode);
  return named?.[0] ?? `unknown (${opcode & 255} of family ${opcode >> 8})`;
}

/** The words of a command; `addressOf` gives the byte address of a buffer. */
export function encodeWords<Name extends CommandName>(
  name: Name,
  words: Words<Commands[Name]>,
  addressOf: (buffer: DeviceBuffer) => number,
): number[] {
  const out: number[] = [];
  append(out, encodings.get(name)!.words, words, addressOf);
  return out;
}

/** The words of a table. */
export function encodeRecords<Name extends RecordName>(
  name: Name,
  rows: readonly Words<Records[Name]>[],
  addressOf: (buffer: DeviceBuffer) => number,
): number[] {
  const layout = Object.entries(RECORDS[name]);
  const out: number[] = [];
  for (const row of rows) append(out, layout, row, addressOf);
  return out;
}

function append(
  out: number[],
  layout: Encoding['words'],
  words: Readonly<Record<string, unknown>>,
  addressOf: (buffer: DeviceBuffer) => number,
): void {
  for (const [name, type] of layout) {
    const value = words[name];
    if (type === 'f32') {
      out.push(floatBits(value as number));
    } else if (type === 'axes') {
      const axes = value as readonly Axis[];
      out.push(axes.length);
      for (const { size, first, second } of axes) out.push(size, first, second);
    } else if (typeof value === 'object') {
      out.push(value === null ? 0 : addressOf(value as DeviceBuffer));
    } else {
      out.push(Number(value));
    }
  }
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** The 32 bits of a number rounded to f32, as a whole number. */
export function floatBits(value: number): number {
  float[0] = value;
  return bits[0]!;
}
