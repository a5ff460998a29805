/** Reading JSON of which nothing is known. */

/** The fields of a plain object; none of anything else. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}

/** A finite number, or undefined. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** The finite numbers among the fields of an object. */
export function numbersOf(value: unknown): Record<string, number> {
  return Object.fromEntries(
    Object.entries(fieldsOf(value)).flatMap(([name, field]) => {
      const number = numberOf(field);
      return number === undefined ? [] : [[name, number]];
    }),
  );
}

/** `[layers][experts]` of finite numbers >= 0, layers of equal length; undefined for anything else. */
export function countsOf(value: unknown): number[][] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const layers: unknown[] = value;
  const experts = Array.isArray(layers[0]) ? layers[0].length : 0;
  const whole = (layer: unknown): layer is number[] =>
    Array.isArray(layer) && layer.length === experts && layer.every((count) => (numberOf(count) ?? -1) >= 0);
  return experts > 0 && layers.every(whole) ? layers : undefined;
}
