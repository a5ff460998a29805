/** Names of kernels for errors and profiles. */
import * as opcodes from './opcodes.ts';

/** The name of an opcode in opcodes.ts, or that it is unknown. */
export function kernelName(opcode: number): string {
  const named = Object.entries(opcodes).find(([, value]) => value === opcode);
  return named?.[0] ?? `unknown (${opcode & 255} of family ${opcode >> 8})`;
}
