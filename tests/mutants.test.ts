/** What `pnpm mutants` reads and prints. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EQUIVALENT } from '../scripts/mutants/equivalent.ts';
import {
  countMutants,
  type Mutant,
  mutantsReport,
  scoreOf,
  staleEntries,
  unmatchedEntries,
  withEquivalents,
  withoutUntested,
} from '../scripts/mutants/report.ts';
import { changedLines, patternOf } from '../scripts/mutants/scope.ts';

const everything = (file: string) => ({ file, first: 1, last: Number.MAX_SAFE_INTEGER });

describe('changed lines', () => {
  const difference = `diff --git a/packages/moe/src/a.ts b/packages/moe/src/a.ts
index 1..2 100644
--- a/packages/moe/src/a.ts
+++ b/packages/moe/src/a.ts
@@ -3 +3,2 @@ function one() {
-old
+new
+more
@@ -9,2 +11,0 @@ function two() {
-gone
-gone
diff --git a/packages/moe/src/b.ts b/packages/moe/src/b.ts
--- /dev/null
+++ b/packages/moe/src/b.ts
@@ -0,0 +1 @@
+first`;

  it('are those that a difference adds or changes, and the one before what it takes away', () => {
    expect(changedLines(difference)).toEqual([
      { file: 'packages/moe/src/a.ts', first: 3, last: 4 },
      { file: 'packages/moe/src/a.ts', first: 11, last: 11 },
      { file: 'packages/moe/src/b.ts', first: 1, last: 1 },
    ]);
    expect(changedLines('')).toEqual([]);
  });

  it('are named as Stryker names them', () => {
    expect(patternOf({ file: 'a.ts', first: 3, last: 6 })).toBe('a.ts:3-6');
    expect(patternOf(everything('a.ts'))).toBe('a.ts');
  });
});

describe('the report', () => {
  const mutant = (line: number, status: string, replacement = 'a - b'): Mutant => ({
    mutatorName: 'ArithmeticOperator',
    replacement,
    status,
    location: { start: { line, column: 13 }, end: { line, column: 18 } },
  });
  const source = ['const one = a + b;', 'const two = a * b;', 'const six = b + a;'].join('\n');
  const report = {
    files: {
      'b.ts': { source, mutants: [mutant(3, 'NoCoverage', '{\n}'), mutant(2, 'Survived'), mutant(1, 'Killed')] },
      'a.ts': { source, mutants: [mutant(1, 'Timeout'), mutant(2, 'Ignored'), mutant(3, 'Pending')] },
    },
  };
  const both = [everything('a.ts'), everything('b.ts')];

  it('counts what was noticed of what was tested', () => {
    const { total, files } = countMutants(report, both);
    expect(total).toEqual({ killed: 2, survived: 1, unreached: 1, equivalent: 0, leftOut: 1, untested: 1 });
    expect([...files.keys()]).toEqual(['a.ts', 'b.ts']);
    expect(scoreOf(total)).toBe(50);
    expect(scoreOf(countMutants(report, []).total)).toBe(100);
  });

  it('takes a failure of the runner for no answer, and refuses what it does not know', () => {
    const of = (status: string) => ({ files: { 'a.ts': { source, mutants: [mutant(1, status)] } } });
    expect(countMutants(of('RuntimeError'), both).total).toMatchObject({ killed: 0, untested: 1 });
    expect(() => countMutants(of('Vanished'), both)).toThrow('a.ts: no such status of a mutant is known: Vanished');
  });

  it('is of the lines asked for', () => {
    expect(countMutants(report, [{ file: 'b.ts', first: 1, last: 2 }]).total).toMatchObject({
      killed: 1,
      survived: 1,
      unreached: 0,
    });
  });

  it('says where each fault is that no test noticed, and what it is', () => {
    expect(mutantsReport(report, both).split('\n')).toEqual([
      '      score %  killed  survived  no test  equivalent  left out  untested',
      'a.ts    100.0       1         0        0           0         1         1',
      'b.ts     33.3       1         1        1           0         0         0',
      'all      50.0       2         1        1           0         1         1',
      '',
      'Not noticed by any test:',
      'b.ts:2:13 ArithmeticOperator: a * b -> a - b',
      'b.ts:3:13 ArithmeticOperator (no test): b + a -> { }',
    ]);
    expect(mutantsReport(report, [everything('a.ts')])).not.toContain('Not noticed');
  });

  it('does not hold survivors against the tests that are listed as equivalent, by file, line and change', () => {
    const entry = { file: 'b.ts', line: 'const two', change: 'a * b -> a - b', reason: 'for this test' };
    const listed = countMutants(withEquivalents(report, [entry]), both).total;
    expect(listed).toMatchObject({ killed: 2, survived: 0, unreached: 1, equivalent: 1 });
    for (const other of [{ file: 'a.ts' }, { line: 'const one' }, { change: ['a * b -> a + b'] }]) {
      expect(countMutants(withEquivalents(report, [{ ...entry, ...other }]), both).total.survived).toBe(1);
    }
  });

  it('says which entries of that list no fault can be any more', () => {
    const read = (file: string): string | null => (file === 'b.ts' ? source : null);
    const entry = { file: 'b.ts', line: 'const two', change: ['a * b -> a - b'], reason: 'for this test' };
    expect(staleEntries([entry], read)).toEqual([]);
    expect(unmatchedEntries(report, [entry], ['b.ts'])).toEqual([]);
    expect(staleEntries([{ ...entry, file: 'a.ts' }], read)).toEqual(['a.ts is not there any more']);
    expect(staleEntries([{ ...entry, line: 'const ten' }], read)).toEqual(['b.ts has no line with "const ten"']);
    expect(staleEntries([{ ...entry, change: 'a + b -> a - b' }], read)).toEqual([
      'b.ts: on the line with "const two" there begins no a + b',
    ]);
    expect(unmatchedEntries(report, [{ ...entry, change: 'a * b -> a / b' }], ['b.ts'])).toEqual([
      'b.ts: no mutant on the line with "const two" is a * b -> a / b',
    ]);
    // Of a file whose mutants are not all tested, or only some of whose lines are looked at, nothing is known.
    expect(unmatchedEntries(report, [{ ...entry, file: 'a.ts' }], ['a.ts'])).toEqual([]);
    expect(unmatchedEntries(report, [{ ...entry, change: 'a * b -> a / b' }], [])).toEqual([]);
  });

  it('lists nothing as equivalent that is not in the sources', () => {
    const root = join(import.meta.dirname, '..');
    const read = (file: string): string | null =>
      existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : null;
    expect(staleEntries(EQUIVALENT, read)).toEqual([]);
  });

  it('forgets what there was no time for', () => {
    expect(countMutants(withoutUntested(report), both).total).toMatchObject({ killed: 2, leftOut: 1, untested: 0 });
  });
});
