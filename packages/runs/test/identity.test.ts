import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../src/config.ts';
import { changeSettings, checkText, type HeldSettings, holdIdentity, type RunText } from '../src/identity.ts';
import { RunFolder } from '../src/run-folder.ts';
import { useFolder } from './lines.ts';

const run = useFolder();

const FREE = ['threads', 'data.sources.*.paths', 'data.sources.*.domain'];

function settingsOf(change: object = {}, paths: readonly string[] = ['a.txt']): HeldSettings {
  const settings = { seed: 1, threads: 2, lpr: undefined, data: { batchSize: 4, sources: [{ type: 'text', paths }] } };
  return { settings: { ...settings, ...change }, free: FREE, origin: 'runs/a/config.yaml' };
}

function textOf(training: readonly number[] = [1, 2, 3], domain = 'prose'): RunText {
  return {
    training: [{ domain, tokens: Int32Array.from(training) }],
    heldOut: [{ domain, tokens: Int32Array.of(4) }],
  };
}

describe('a run goes on', () => {
  it('with what it began with, also where what decides no results is another', async () => {
    await holdIdentity(run(), settingsOf(), textOf());
    const before = await readFile(join(run(), 'identity.json'), 'utf8');
    await holdIdentity(run(), settingsOf(), textOf());
    await holdIdentity(run(), settingsOf({ threads: 8 }, ['b/c.txt', 'd.txt']), textOf());
    await checkText(run(), textOf());
    expect(await readFile(join(run(), 'identity.json'), 'utf8')).toBe(before);
    expect(before).not.toContain('a.txt');
    expect(before).not.toContain('threads');
  });

  it('with no other setting: each is named with what it was, what it is, and how to mend it', async () => {
    await holdIdentity(run(), settingsOf(), textOf());
    const sources = [{ type: 'text', paths: ['a.txt'], weight: 2 }];
    for (const [change, lines] of [
      [{ seed: 2 }, ['  seed: began with 1, now 2']],
      [
        { data: { batchSize: 8, sources } },
        ['  data.batchSize: began with 4, now 8', '  data.sources.0.weight: began with nothing, now 2'],
      ],
      [{ seed: undefined }, ['  seed: began with 1, now nothing']],
      [{ lpr: { latentDim: 4 } }, ['  lpr.latentDim: began with nothing, now 4']],
    ] as const) {
      await expect(holdIdentity(run(), settingsOf(change), textOf())).rejects.toThrow(
        `did not begin with the settings that runs/a/config.yaml has now:\n${lines.join('\n')}\n` +
          'With them it would end as neither run would. Put back into runs/a/config.yaml what it began with, or start a new run',
      );
    }
  });

  it('with settings that have another name now', async () => {
    await holdIdentity(run(), settingsOf({ lpr: { unitBall: true } }), textOf());
    const renamed: HeldSettings['renamed'] = ({ 'lpr.unitBall': ball, ...rest }) => ({
      ...rest,
      'lpr.start': ball ? 'sphere' : 'normal',
    });
    const now = (start: string): HeldSettings => ({ ...settingsOf({ lpr: { start } }), renamed });
    await holdIdentity(run(), now('sphere'), textOf());
    await expect(holdIdentity(run(), now('normal'), textOf())).rejects.toThrow(
      'lpr.start: began with "sphere", now "normal"',
    );
  });

  it('with no other text, which is known by its content', async () => {
    await holdIdentity(run(), settingsOf(), textOf());
    const check = async (text: RunText, message: string): Promise<void> => {
      await expect(holdIdentity(run(), settingsOf(), text)).rejects.toThrow(message);
      await expect(checkText(run(), text)).rejects.toThrow(message);
    };
    await check(
      textOf([1, 2]),
      'the training text of prose is not the one that the run began with: it had 3 tokens, now 2.',
    );
    await check(
      textOf([3, 2, 1]),
      'it had 3 tokens, now 3 others. A file of its sources, or its tokenizer, was changed',
    );
    await check({ ...textOf(), heldOut: [] }, 'the held-out text of prose is not the one that the run began with');
    const { training } = textOf();
    const more = { domain: 'code', tokens: Int32Array.of(1) };
    await check(
      { ...textOf(), training: [...training, more] },
      'the training text of code was not there when the run began',
    );
    await check(textOf(undefined, 'verse'), 'prose is called verse now');
  });

  it('with the weights that it started from, until it has a checkpoint', async () => {
    await holdIdentity(run(), settingsOf(), textOf(), 'ab');
    await holdIdentity(run(), settingsOf(), textOf(), 'ab');
    for (const [start, what] of [
      ['cd', 'they are others now'],
      [null, 'its settings name none'],
    ] as const) {
      await expect(holdIdentity(run(), settingsOf(), textOf(), start)).rejects.toThrow(
        `must be those that it began with until it has a checkpoint, but ${what}. Put them back as they were`,
      );
    }
    await mkdir(join(run(), 'checkpoints', 'step-000005'), { recursive: true });
    for (const start of ['cd', null]) await holdIdentity(run(), settingsOf(), textOf(), start);
  });

  it('with weights of its own where it began with such', async () => {
    await holdIdentity(run(), settingsOf(), textOf());
    await expect(holdIdentity(run(), settingsOf(), textOf(), 'cd')).rejects.toThrow('it began with weights of its own');
  });

  it('with settings that it was given since, and is held to those', async () => {
    let prepared = 0;
    const prepare = async (): Promise<void> => {
      prepared++;
      // The old settings still hold.
      await holdIdentity(run(), settingsOf(), textOf());
    };
    await expect(changeSettings(run(), settingsOf(), {}, prepare)).rejects.toThrow('identity.json is missing');
    await holdIdentity(run(), settingsOf(), textOf());
    const { settings } = settingsOf({ seed: 2 });
    // Whatever else is not as it was is refused, not taken in.
    await expect(changeSettings(run(), settingsOf({ lpr: 1 }), settings as object, prepare)).rejects.toThrow(
      'lpr: began with nothing, now 1',
    );
    expect(prepared).toBe(0);
    await changeSettings(run(), settingsOf(), settings as object, prepare);
    expect(prepared).toBe(1);
    expect(await readConfig(run())).toEqual(JSON.parse(JSON.stringify(settings)));
    await holdIdentity(run(), settingsOf({ seed: 2 }), textOf());
    await expect(holdIdentity(run(), settingsOf(), textOf())).rejects.toThrow('seed: began with 2, now 1');
    await checkText(run(), textOf());
  });

  it('with settings whose change a kill interrupted', async () => {
    const path = join(run(), 'run');
    await (await RunFolder.create(path, { seed: 1 })).close();
    await holdIdentity(path, { ...settingsOf(), settings: { seed: 1 } }, textOf());
    const identity = join(path, 'identity.json');
    const before = JSON.parse(await readFile(identity, 'utf8')) as object;
    const config = { seed: 2 };
    await writeFile(identity, JSON.stringify({ ...before, settings: config, config }));
    await (await RunFolder.open(path)).close();
    expect(await readConfig(path)).toEqual(config);
    expect(JSON.parse(await readFile(identity, 'utf8'))).toEqual({ ...before, settings: config });
  });

  it('only where it says what it began with', async () => {
    // One that has not begun yet may be without.
    await expect(checkText(run(), textOf())).rejects.toThrow('identity.json is missing');
    await writeFile(join(run(), 'metrics.jsonl'), '');
    await expect(holdIdentity(run(), settingsOf(), textOf())).rejects.toThrow(
      /identity\.json is missing, which says what the run began with: an earlier version/,
    );
    await rm(join(run(), 'metrics.jsonl'));
    await mkdir(join(run(), 'checkpoints', 'step-000005'), { recursive: true });
    await expect(holdIdentity(run(), settingsOf(), textOf())).rejects.toThrow('identity.json is missing');
    for (const content of ['{"settings":', 'null', '{"settings":{},"training":[{}],"heldOut":[]}']) {
      await writeFile(join(run(), 'identity.json'), content);
      await expect(holdIdentity(run(), settingsOf(), textOf())).rejects.toThrow(/identity\.json is damaged: /);
    }
  });
});
