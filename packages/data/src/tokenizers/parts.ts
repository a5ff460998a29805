/** What a `tokenizer.json` holds, and how what is wrong with it is said. */

import type * as z from 'zod';
import { excerptOf } from '../excerpt.ts';

export type Part = Readonly<Record<string, unknown>>;

/** Thrown for a part whose ids would be others. */
export class InexactTokenizer extends Error {
  override readonly name: string = 'InexactTokenizer';
}

/** @param reason why the ids would be others, where that is not the implementation's doing */
export function inexact(field: string, value: unknown, reason?: string): InexactTokenizer {
  const why = reason ?? 'of which @huggingface/tokenizers would give other ids than the library that made the file';
  return new InexactTokenizer(`${field} is ${excerptOf(value)}, ${why}; use a tokenizer without it`);
}

/** What the Rust library refuses to read. */
export function damaged(field: string, value: unknown, expected: string): InexactTokenizer {
  return new InexactTokenizer(
    `${field} is ${excerptOf(value)}, expected ${expected}; the file is damaged, or was not made by the library of ` +
      'tokenizers: get it again, or load it there and save it',
  );
}

export function isPart(value: unknown): value is Part {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws InexactTokenizer naming the first field that is not as a schema says, and what it has */
export function checked<Output>(schema: z.ZodType<Output>, value: unknown, place: string): Output {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  const keys = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  const got = path.reduce<unknown>((part, key) => (part as Readonly<Record<PropertyKey, unknown>>)[key], value);
  throw damaged(`${place}${keys}`.replace(/^\./, '') || 'the file', got, message);
}

/** Of parts, by their type. */
export type Schemas = Readonly<Record<string, z.ZodType>>;

/**
 * A part as the schema of its type has it, with what that passes over.
 *
 * @throws InexactTokenizer naming the type that there is none for, or the field
 */
export function checkedPart(schemas: Schemas, value: unknown, place: string): Part & { readonly type: string } {
  if (!isPart(value)) throw damaged(place, value, 'an object or null');
  const { type } = value;
  if (typeof type !== 'string' || !Object.hasOwn(schemas, type)) throw inexact(`${place}.type`, type);
  return { ...value, ...(checked(schemas[type]!, value, place) as Part), type };
}
