/**
 * A router from outside on the command line: written, trained, gone on with, compared, and refused where it should be.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig, RUN_FILES } from '@lpr/runs';
import { afterAll, describe, expect, it } from 'vitest';
import { cleanUp, type Outcome, startTrainer } from './end-to-end-cli.ts';

const work = mkdtempSync(join(tmpdir(), 'lpr-routers-'));
afterAll(() => {
  rmSync(work, { recursive: true });
  cleanUp();
});

/** A process of its own each time, in the folder of the router: what one has loaded no other knows. */
const trainer = (...args: string[]): Promise<Outcome> => startTrainer(args, work).outcome;

const TINY = ['--preset', 'tiny', '--threads', '1'];

describe('a router from outside', { timeout: 300_000 }, () => {
  it('trains from the file that new-router writes, and the run holds what was in it', async () => {
    const written = await trainer('new-router', 'my-router');
    expect(written).toMatchObject({ code: 0, stdout: 'my-router.ts\nmy-router.test.ts\n' });
    expect((await trainer('new-router', 'my-router')).stderr).toContain('cannot write my-router.ts');

    const own = ['--router', './my-router.ts', '--set', 'method.temperature=0.5'];
    const trained = await trainer('train', ...TINY, '--steps', '4', ...own, '--out', 'run');
    expect(trained.stderr).not.toContain('error');
    expect(trained.stdout).toMatch(/^custom-my-router: test loss [\d.]+ over/);
    expect(await readConfig(join(work, 'run'))).toMatchObject({
      router: 'custom-my-router',
      routerFile: { path: './my-router.ts', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
      method: { temperature: 0.5 },
    });
  });

  it('goes on where the command line names the file, and the file is what it was', async () => {
    const config = readFileSync(join(work, 'run', RUN_FILES.config), 'utf8');
    const unasked = await trainer('resume', 'run', '--steps', '6');
    expect(unasked.code).toBe(1);
    expect(unasked.stderr).toContain(
      'code is loaded only where the command line names it; add --router ./my-router.ts',
    );

    writeFileSync(
      join(work, 'changed.ts'),
      readFileSync(join(work, 'my-router.ts'), 'utf8').replace('temperature: 1', 'temperature: 2'),
    );
    const changed = await trainer('resume', 'run', '--steps', '6', '--router', './changed.ts');
    expect(changed.code).toBe(1);
    expect(changed.stderr).toContain('./changed.ts is no longer the router custom-my-router that was trained');
    expect(changed.stderr).toContain('put it back, or start a new run');
    expect(readFileSync(join(work, 'run', RUN_FILES.config), 'utf8')).toBe(config);

    const resumed = await trainer('resume', 'run', '--steps', '6', '--router', './my-router.ts');
    expect(resumed.code).toBe(0);
    const evaluated = await trainer('eval', 'run', '--router', './my-router.ts');
    expect(evaluated.code).toBe(0);
    expect((await trainer('eval', 'run')).stderr).toContain('the router custom-my-router is none of this library');
  });

  it.each([
    ['evaluated on other text', (model) => ['eval', model, '--text', 'my-router.ts', '--tokens', '128']],
    ['read on its own', (model) => ['generate', model, '--tokens', '1', '--prompt', 'a']],
    ['looked at', (model) => ['inspect', model]],
    ['written anew', (model) => ['export', model, 'again']],
    ['gone on from', (model) => ['train', ...TINY, '--steps', '1', '--set', `from=${model}`, '--out', 'from']],
  ] as [string, (model: string) => string[]][])(
    'is what a model was trained with, wherever that lies, where it is %s',
    async (_, words) => {
      if (!existsSync(join(work, 'exported'))) {
        expect((await trainer('export', 'run', 'exported', '--router', './my-router.ts')).code).toBe(0);
      }
      for (const model of ['run', 'exported']) {
        const { code, stderr } = await trainer(...words(model), '--router', './changed.ts');
        expect(stderr).toMatch(
          /changed\.ts is no longer the router custom-my-router that was trained .*; name that one with --router/,
        );
        expect(code).toBe(1);
      }
      expect(existsSync(join(work, 'again'))).toBe(false);
    },
  );

  it('stands beside others in a comparison, in processes of their own too, and goes on there', async () => {
    const names = ['--router', 'switch,./my-router.ts', '--out', 'compared', '--parallel', '2'];
    const compared = await trainer('compare', ...TINY, '--steps', '2', ...names);
    expect(compared.stderr).not.toContain('failed');
    expect(compared.code).toBe(0);
    expect(compared.stdout).toContain('custom-my-router');
    const summary = JSON.parse(readFileSync(join(work, 'compared', 'summary.json'), 'utf8')) as { runs: object };
    expect(JSON.stringify(summary)).toContain('custom-my-router');
    expect((await trainer('resume', 'compared', '--router', './my-router.ts')).code).toBe(0);
  });

  it('is one of the runs of a sweep, whose commands take its file', async () => {
    const file = 'preset: tiny\nsettings: {threads: 1, training: {steps: 2}}\nlist: [{router: custom-my-router}]\n';
    writeFileSync(join(work, 'sweep.yaml'), file);
    const own = ['--router', './my-router.ts'];
    expect((await trainer('sweep', 'sweep.yaml', '--out', 'swept', ...own)).code).toBe(0);
    expect((await trainer('sweep', 'status', 'swept')).stderr).toContain('add --router ./my-router.ts');
    for (const words of [['status'], ['collect'], ['task', '--router', join(work, 'my-router.ts')]]) {
      const end = words[0] === 'task' ? ['0'] : own;
      const { code, stderr } = await trainer('sweep', ...words, 'swept', ...end);
      expect(stderr).not.toContain('error');
      expect(code).toBe(0);
    }
  });

  it.each([
    [
      'there is none',
      'nothing.ts',
      null,
      'there is no such file; pnpm trainer new-router NAME writes one to begin with',
    ],
    ['it is no module', 'broken.ts', 'export default {', 'but found end of file'],
    [
      'it exports no router',
      'empty.ts',
      'export const a = 1;',
      'must have what defineRouter gives as its default export',
    ],
    [
      'the router lacks a part',
      'part.ts',
      "import { defineRouter } from '@lpr/moe';\nexport default defineRouter({ name: 'part', defaults: {} } as never);",
      'defineRouter: traits of part must be a function',
    ],
  ])('is refused where %s', async (_, name, text, message) => {
    if (text !== null) writeFileSync(join(work, name), text);
    const { code, stderr } = await trainer('train', ...TINY, '--router', `./${name}`);
    expect(code).toBe(1);
    expect(stderr).toContain(`error: --router ./${name}: `);
    expect(stderr).toContain(message);
  });
});
