import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import * as metrics from '../src/index.ts';

test('the snippet of the README prints what it says', () => {
  const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
  const [, names, body] = /```ts\nimport \{ (.*) \} from '@lpr\/metrics';\n([\s\S]*?)```/.exec(readme)!;
  const printed: string[] = [];
  const print = (...values: unknown[]): number => printed.push(values.map(shown).join(' '));
  // oxlint-disable-next-line typescript/no-implied-eval -- the snippet is the text under test
  new Function('metrics', 'print', `const { ${names} } = metrics;\n${body!.replaceAll('console.log', 'print')}`)(
    metrics,
    print,
  );
  const said = Array.from(body!.matchAll(/console\.log\(.*\); \/\/ (.*)/g), ([, comment]) => comment);
  expect(printed).toEqual(said);
});

/** As the console shows it, numbers to three digits. */
function shown(value: unknown): string {
  if (typeof value === 'string') return value;
  return inspect(
    JSON.parse(JSON.stringify(value), (_, part: unknown) =>
      typeof part === 'number' ? Number(part.toPrecision(3)) : part,
    ),
  );
}
