/**
 * Reading JSON that anybody may have written: values are taken where they are what is expected; elsewhere they are null
 * or left out.
 */

/** The fields of a plain object; none of anything else. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}

/** A finite number. */
export function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The finite numbers among the fields of an object. */
export function numbersOf(value: unknown): Record<string, number> {
  return Object.fromEntries(
    Object.entries(fieldsOf(value)).flatMap(([name, field]) => {
      const number = numberOf(field);
      return number === null ? [] : [[name, number]];
    }),
  );
}

/** `[layers][experts]` of finite numbers >= 0, layers of equal length. */
export function countsOf(value: unknown): number[][] | null {
  if (!Array.isArray(value) || value.length === 0) return null;
  const layers: unknown[] = value;
  const experts = Array.isArray(layers[0]) ? layers[0].length : 0;
  const whole = (layer: unknown): layer is number[] =>
    Array.isArray(layer) && layer.length === experts && layer.every((count) => (numberOf(count) ?? -1) >= 0);
  return experts > 0 && layers.every(whole) ? layers : null;
}
