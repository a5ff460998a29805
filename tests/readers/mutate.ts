/** Damage that knows what it damages: values of JSON and YAML by their place, numbers of binary headers, bytes. */

import { below, pick, type Random } from '../random.ts';

function nested(depth: number, inner: unknown): unknown {
  let value = inner;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

/** What readers do not expect. */
const VALUES: readonly (() => unknown)[] = [
  ...[
    null,
    true,
    false,
    0,
    -1,
    1,
    0.5,
    -0,
    7,
    255,
    65_536,
    2 ** 31,
    2 ** 31 - 1,
    2 ** 32,
    2 ** 53,
    1e300,
    -1e300,
    5e-324,
  ],
  ...[
    '',
    ' ',
    'a',
    '0',
    '-1',
    'null',
    '__proto__',
    'constructor',
    '../../x',
    '\0',
    '\uD800',
    '\uFEFF',
    '(a+)+$',
    '.*',
    'NaN',
  ],
]
  .map((value) => (): unknown => value)
  .concat([
    () => [],
    () => ({}),
    () => [null],
    () => ({ '': null }),
    () => Array.from({ length: 300 }, (_, i) => i),
    () => 'x'.repeat(3000),
    () => nested(50, null),
    () => nested(3000, 1),
  ]);

/** Changes one to three places of plain data; the given value stays as it is. */
export function mutateData(value: unknown, random: Random): unknown {
  let changed = value;
  for (let times = 1 + below(3, random); times > 0; times--) changed = mutateOne(changed, random);
  return changed;
}

function mutateOne(value: unknown, random: Random): unknown {
  const isInner = typeof value === 'object' && value !== null && Object.keys(value).length > 0;
  if (!isInner || random() < 0.05) return pick(VALUES, random)();
  const keys = Object.keys(value);
  const key = pick(keys, random);
  const inner = (value as Readonly<Record<string, unknown>>)[key];
  const kind = random();
  if (Array.isArray(value)) {
    const copy = [...(value as unknown[])];
    const place = Number(key);
    if (kind < 0.1) copy.splice(place, 1);
    else if (kind < 0.2) copy.splice(place, 0, copy[below(copy.length, random)]);
    else copy[place] = kind < 0.35 ? pick(VALUES, random)() : mutateOne(inner, random);
    return copy;
  }
  const copy = new Map(Object.entries(value));
  if (kind < 0.1) copy.delete(key);
  else if (kind < 0.15) copy.set(pick(['', '__proto__', `${key}s`, 'type', 'length', '0'], random), inner);
  else copy.set(key, kind < 0.4 ? pick(VALUES, random)() : mutateOne(inner, random));
  return Object.fromEntries(copy);
}

const NUMBERS = [0, 1, 127, 128, 255, 2 ** 16, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

/** Changes one to three places of bytes. */
export function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  let changed = Buffer.from(bytes);
  for (let times = 1 + below(3, random); times > 0 && changed.length > 0; times--) {
    const at = below(changed.length, random);
    const kind = random();
    if (kind < 0.35) changed[at] = below(256, random);
    else if (kind < 0.5) changed[at] = pick([0, 127, 128, 255], random);
    else if (kind < 0.65 && at + 4 <= changed.length) changed.writeUInt32LE(pick(NUMBERS, random), at);
    else if (kind < 0.7 && at + 8 <= changed.length) changed.writeBigUInt64LE(BigInt(pick(NUMBERS, random)) << 31n, at);
    else if (kind < 0.8) changed = changed.subarray(0, at);
    else if (kind < 0.9)
      changed = Buffer.concat([changed.subarray(0, at), changed.subarray(at + 1 + below(8, random))]);
    else changed = Buffer.concat([changed.subarray(0, at), changed.subarray(below(at + 1, random))]);
  }
  return changed;
}
