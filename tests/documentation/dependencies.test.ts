/** What is installed beside our own code: licences that were looked at, install scripts that were decided on. */
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decidedScripts, installedDependencies, undecided } from '../../scripts/dependencies.ts';

const root = resolve(import.meta.dirname, '../..');

describe('dependencies', () => {
  it('have licences that were looked at, and run nothing when they are installed', () => {
    const decided = decidedScripts(root);
    const installed = installedDependencies(root);
    expect(installed.length).toBeGreaterThan(100);
    expect(undecided(installed, decided)).toEqual([]);
    expect(Object.values(decided)).not.toContain(true);
  });

  it('are named where nobody decided', () => {
    const one = { name: 'left', version: '1.0.0', licence: 'MIT', installScripts: [] };
    const faults = (changes: object): readonly string[] => undecided([{ ...one, ...changes }], { right: false });
    expect(faults({})).toEqual([]);
    expect(faults({ licence: 'AGPL-3.0' })).toEqual([expect.stringContaining('left@1.0.0: licence AGPL-3.0')]);
    expect(faults({ licence: '' })).toEqual([expect.stringContaining('licence (none)')]);
    expect(faults({ installScripts: ['postinstall: node x.js'] })).toEqual([
      expect.stringContaining('left@1.0.0 runs postinstall: node x.js; decide under allowBuilds'),
    ]);
    expect(faults({ name: 'right', installScripts: ['postinstall: node x.js'] })).toEqual([]);
  });
});
