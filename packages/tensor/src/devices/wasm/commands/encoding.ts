/** The numbers that commands become: which kernel, and what its words hold. */
import type { DeviceBuffer } from '../../device.ts';
import { type CommandName, type Commands, FAMILIES, RECORDS, type RecordName, type Records } from './index.ts';
import type { Axis, Layout, Words, WordType } from './words.ts';

/** Words of arguments that fit one command. */
export const ARGUMENT_WORDS = 60;

/** How a command's words are told from an object that names them. */
interface Encoding {
  readonly opcode: number;
  readonly names: readonly string[];
  readonly types: readonly WordType[];
}

function encodingOf(opcode: number, layout: Layout): Encoding {
  return { opcode, names: Object.keys(layout), types: Object.values(layout) };
}

const commands: ReadonlyMap<string, Encoding> = new Map(
  Object.values(FAMILIES).flatMap((family: Readonly<Record<string, Layout>>, number) =>
    Object.entries(family).map(([name, layout], command) => [name, encodingOf(number * 256 + command, layout)]),
  ),
);
const records: ReadonlyMap<string, Encoding> = new Map(
  Object.entries(RECORDS).map(([name, layout]) => [name, encodingOf(0, layout)]),
);

/** The number of a command. */
export function opcodeOf(name: CommandName): number {
  return commands.get(name)!.opcode;
}

/** The name of a command's number, or that it is unknown: for errors and profiles. */
export function commandName(opcode: number): string {
  const named = [...commands].find(([, encoding]) => encoding.opcode === opcode);
  return named?.[0] ?? `unknown (${opcode & 255} of family ${opcode >> 8})`;
}

/** The words of a command; `addressOf` gives the byte address of a buffer. */
export function encodeWords<Name extends CommandName>(
  name: Name,
  words: Words<Commands[Name]>,
  addressOf: (buffer: DeviceBuffer) => number,
): number[] {
  const out: number[] = [];
  append(out, commands.get(name)!, words, addressOf);
  return out;
}

/** The words of a table. */
export function encodeRecords<Name extends RecordName>(
  name: Name,
  rows: readonly Words<Records[Name]>[],
  addressOf: (buffer: DeviceBuffer) => number,
): number[] {
  const encoding = records.get(name)!;
  const out: number[] = [];
  for (const row of rows) append(out, encoding, row, addressOf);
  return out;
}

/** Runs for every command, so it is written for speed. */
function append(
  out: number[],
  { names, types }: Encoding,
  words: Readonly<Record<string, unknown>>,
  addressOf: (buffer: DeviceBuffer) => number,
): void {
  for (let i = 0; i < names.length; i++) {
    const value = words[names[i]!];
    const type = types[i]!;
    if (type === 'f32') {
      out.push(floatBits(value as number));
    } else if (typeof value === 'number') {
      out.push(value);
    } else if (type === 'flag') {
      out.push(value === true ? 1 : 0);
    } else if (type === 'axes') {
      const axes = value as readonly Axis[];
      out.push(axes.length);
      for (const { size, first, second } of axes) out.push(size, first, second);
    } else {
      out.push(value === null ? 0 : addressOf(value as DeviceBuffer));
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
