import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prepareTokens } from '../src/prepare.ts';
import { findDataFiles } from '../src/sources/hub-card.ts';
import { openSource } from '../src/sources/open.ts';
import type { HubSpec } from '../src/sources/spec.ts';
import { ByteTokenizer } from '../src/tokenizers/bytes.ts';
import { type Fault, type HubDataset, type HubServer, startHubServer } from './hub-server.ts';
import { jsonLines, parquet, readSource } from './texts.ts';

/** Every document differs, so that none can be lost, doubled or moved unseen. */
const textsOf = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${name} ${index} ${'words '.repeat(30 + (index % 7))}`);
const TRAIN = [textsOf('a', 25), textsOf('b', 12), textsOf('c', 8)] as const;
const VALIDATION = textsOf('validation', 40);

const DATASET: HubDataset = {
  name: 'owner/set',
  commit: '0123456789abcdef0123456789abcdef01234567',
  cardData: {
    configs: [
      {
        config_name: 'default',
        data_files: [
          { split: 'train', path: 'data/train/*.parquet' },
          { split: 'validation', path: ['en/validation.*.json.gz'] },
        ],
      },
      { config_name: 'small', data_files: 'sample/*/*' },
    ],
  },
  files: {
    'README.md': new Uint8Array(10),
    'data/train/000 a.parquet': parquet({ text: TRAIN[0], url: TRAIN[0] }, { rowGroupSize: 10 }),
    'data/train/001.parquet': parquet({ text: TRAIN[1] }, { rowGroupSize: 10 }),
    'data/train/notes.txt': new Uint8Array(10),
    'data/train/002.parquet': parquet({ text: TRAIN[2] }, { rowGroupSize: 10 }),
    'en/validation.00.json.gz': gzipSync(jsonLines(VALIDATION)),
    'sample/1/000.jsonl': new TextEncoder().encode(jsonLines(['tiny'])),
  },
};
const ALL = TRAIN.flat();

let server: HubServer;
let cacheDirectory: string;
beforeEach(async () => {
  server = await startHubServer(DATASET);
  cacheDirectory = mkdtempSync(join(tmpdir(), 'lpr-data-'));
});
afterEach(async () => {
  rmSync(cacheDirectory, { recursive: true });
  await server.close();
});

const SPEC: HubSpec = { type: 'hub', dataset: 'owner/set', maxTokens: 1e9 };
/** Long enough for a busy machine where a server stays silent; elsewhere nothing may run out. */
const IDLE = 1000;
const access = (attempts = 8, idleTimeout = 60_000) => ({
  endpoint: server.endpoint,
  attempts,
  firstPause: 1,
  idleTimeout,
});
const open = (spec: Partial<HubSpec> = {}, attempts?: number, idleTimeout?: number) =>
  openSource({ ...SPEC, ...spec }, { hub: access(attempts, idleTimeout) });
const read = async (...options: Parameters<typeof open>) =>
  (await readSource(await open(...options))).map(({ text }) => text);
const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    (error: unknown) => String(error),
  );
const fileRequests = () => server.requests.filter((request) => request.includes('/resolve/'));

describe('a dataset of the hub', () => {
  it('gives the rows of a split, file by file', async () => {
    const source = await open();
    expect(source).toMatchObject({ splitBy: 'rank' });
    expect(source.names[0]).toBe('set');
    expect((await readSource(source)).map(({ text }) => text)).toEqual(ALL);
    expect(fileRequests().every((request) => request.includes(DATASET.commit))).toBe(true);
  });

  it('gives JSON lines, other configurations, and files by name', async () => {
    expect(await read({ split: 'validation' })).toEqual(VALIDATION);
    expect(await read({ config: 'small' })).toEqual(['tiny']);
    expect(await read({ paths: ['data/**/*1.parquet', 'sample/1/000.jsonl'] })).toEqual([...TRAIN[1], 'tiny']);
  });

  it('reads only the row groups and columns it needs', async () => {
    const source = await open({ paths: ['data/train/000 a.parquet'] });
    // The file is smaller than the end of it that is read first, so what counts is what is asked for later.
    for await (const shard of source.files[0]!.shards(2)) {
      expect(shard.documents.map(({ text }) => text)).toEqual(TRAIN[0].slice(20));
    }
    const whole = DATASET.files['data/train/000 a.parquet']!.length;
    const asked = fileRequests()
      .slice(1)
      .map((request) => /bytes=(\d+)-(\d+)/.exec(request)!);
    const bytes = asked.reduce((sum, [, first, last]) => sum + Number(last) - Number(first) + 1, 0);
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(whole / 4);
  });

  it.each<Fault>(['unavailable', 'reset', 'truncated', 'silent', 'wrong range'])(
    'goes on after a fault: %s',
    async (fault) => {
      const { length } = (await read(), server.requests);
      const sent = server.sent;
      const source = await open({}, 8, fault === 'silent' ? IDLE : undefined);
      server.faults.push(fault, null, null, fault, fault, null, fault);
      expect((await readSource(source)).map(({ text }) => text)).toEqual(ALL);
      expect(server.requests).toHaveLength(2 * length + 4);
      // Half of each answer that broke off had come already, and is not asked for again.
      expect(server.sent).toBe(2 * sent);
    },
  );

  it('has all that it wants when an answer breaks off after its last byte', async () => {
    const source = await open({ paths: ['sample/1/000.jsonl'] });
    const before = server.requests.length;
    server.faults.push('reset at the end');
    expect((await readSource(source)).map(({ text }) => text)).toEqual(['tiny']);
    expect(server.requests).toHaveLength(before + 1);
  });

  it('lets a slow server take its time', async () => {
    const source = await open({ paths: ['sample/1/000.jsonl'] }, 1, IDLE);
    server.faults.push('slow');
    expect((await readSource(source)).map(({ text }) => text)).toEqual(['tiny']);
  });

  it('goes on after faults of the listing', async () => {
    server.faults.push('unavailable', null, 'unavailable', 'unavailable', null, 'unavailable');
    expect(await read()).toEqual(ALL);
  });

  it.each<Fault>(['too many', 'over the limit'])('waits as long as the server asks: %s', async (fault) => {
    const source = await open();
    server.faults.push(fault);
    const start = performance.now();
    expect((await readSource(source)).map(({ text }) => text)).toEqual(ALL);
    expect(performance.now() - start).toBeGreaterThan(990);
  });

  it('gives up after too many failures in a row, and says what to do', async () => {
    const source = await open({}, 3);
    server.faults.push('unavailable', 'unavailable', 'unavailable');
    expect(await failure(readSource(source))).toMatch(
      /cannot read http:.*000%20a\.parquet: the server answered 503 \(3 attempts\)\. Check the network and start again/,
    );
    // Failures that bring bytes do not count: half of what is left comes each time.
    const slow = await open({ paths: ['sample/1/000.jsonl'] }, 2, IDLE);
    server.faults.push('silent', 'silent', 'silent');
    expect((await readSource(slow)).map(({ text }) => text)).toEqual(['tiny']);
    await server.close();
    expect(await failure(open({}, 2))).toMatch(/cannot read http:.*: connect ECONNREFUSED.* \(2 attempts\)/);
  });

  it('does not repeat what cannot succeed', async () => {
    for (const [fault, message] of [
      ['forbidden', /answered 403\. It may be private or gated: set HF_TOKEN/],
      ['not found', /answered 404\. Check dataset, revision and path/],
      ['no range', /does not send ranges of a file/],
    ] as const) {
      const source = await open();
      const before = server.requests.length;
      server.faults.push(fault);
      expect(await failure(readSource(source))).toMatch(message);
      expect(server.requests).toHaveLength(before + 1);
    }
  });

  it('says what there is when something is not there', async () => {
    expect(await failure(open({ dataset: 'owner/other' }))).toMatch(
      /hub: cannot read owner\/other at main from http:.*answered 404\. Check its name/,
    );
    expect(await failure(open({ config: 'large' }))).toMatch(
      /no configuration "large"\. Set "config" to one of: default, small/,
    );
    expect(await failure(open({ split: 'test' }))).toMatch(
      /has no split "test"\. Set "split" to one of: train, validation/,
    );
    expect(await failure(open({ paths: ['*.md'] }))).toMatch(/no parquet or JSON lines file that matches \*\.md/);
    expect(await failure(read({ column: 'content' }))).toMatch(
      /000 a\.parquet has no column "content"; it has: text, url/,
    );
  });

  it('sends the token to the hub and to nobody else', async () => {
    await server.close();
    server = await startHubServer({ ...DATASET, token: 'hf_secret' });
    expect(await failure(open())).toMatch(/answered 401\. It does not exist, or is private: set HF_TOKEN/);
    process.env['HF_TOKEN'] = 'hf_secret';
    process.env['HF_ENDPOINT'] = `${server.endpoint}/`;
    try {
      const source = await openSource(SPEC);
      expect(await readSource(source)).toHaveLength(ALL.length);
    } finally {
      delete process.env['HF_TOKEN'];
      delete process.env['HF_ENDPOINT'];
    }
    expect(server.storageTokens.length).toBeGreaterThan(0);
    expect(server.storageTokens.every((token) => token === undefined)).toBe(true);
  });
});

describe('prepareTokens from the hub', () => {
  const prepare = (
    options: { maxTokens?: number; vocabularySize?: number; attempts?: number; cached?: boolean } = {},
  ) =>
    prepareTokens({
      sources: [{ ...SPEC, maxTokens: options.maxTokens ?? 1e9 }],
      tokenizer: options.vocabularySize === undefined ? 'bytes' : { vocabularySize: options.vocabularySize },
      heldOutFraction: 0.1,
      seed: 1,
      hub: access(options.attempts),
      ...(options.cached === false ? {} : { cacheDirectory }),
    });

  it('asks the network for nothing the second time, nor for another tokenizer', async () => {
    const first = await prepare();
    expect(first).toMatchObject({ training: [{ domain: 'set' }], heldOut: [{ domain: 'set' }] });
    await server.close();
    const second = await prepare();
    expect(second.training).toEqual(first.training);
    expect(second.heldOut).toEqual(first.heldOut);
    const other = await prepare({ vocabularySize: 300 });
    expect(other.tokenizer.decode(other.heldOut[0]!.tokens)).toBe(first.tokenizer.decode(first.heldOut[0]!.tokens));
  });

  it('reads no file again that a new commit has left as it was', async () => {
    const first = await prepare();
    await server.close();
    const commit = 'fedcba9876543210fedcba9876543210fedcba98';
    server = await startHubServer({ ...DATASET, commit });
    const { training } = await prepareTokens({
      sources: [{ ...SPEC, revision: 'main' }],
      tokenizer: 'bytes',
      heldOutFraction: 0.1,
      seed: 1,
      hub: access(),
      cacheDirectory,
    });
    expect(training).toEqual(first.training);
    expect(server.requests.some((request) => request.includes(commit))).toBe(true);
    expect(fileRequests()).toEqual([]);
  });

  it('knows a file that lies here too for the same text', async () => {
    const path = join(cacheDirectory, 'mine.parquet');
    writeFileSync(path, DATASET.files['data/train/001.parquet']!);
    const both = prepareTokens({
      sources: [SPEC, { type: 'parquet', paths: [path] }],
      tokenizer: 'bytes',
      heldOutFraction: 0.1,
      seed: 1,
      hub: access(),
    });
    expect(await failure(both)).toMatch(
      /the same text twice, as owner\/set\/data\/train\/001\.parquet and as .*mine\.parquet/,
    );
  });

  it('goes on where it stopped', async () => {
    const whole = await prepare({ cached: false });
    const inOneGo = fileRequests().length;
    for (let stop = 1; stop < inOneGo; stop++) {
      rmSync(cacheDirectory, { recursive: true });
      server.requests.length = 0;
      // The listing, then so many requests for files, then nothing any more.
      const listing = 1 + Math.ceil(4 / 2);
      server.faults.push(...Array.from({ length: listing + stop }, () => null), 'unavailable');
      expect(await failure(prepare({ attempts: 1 }))).toMatch(/answered 503/);
      const text = readdirSync(cacheDirectory).filter((name) => name.startsWith('text-')).length;
      const before = fileRequests().length;
      const resumed = await prepare();
      expect(resumed.training).toEqual(whole.training);
      expect(resumed.heldOut).toEqual(whole.heldOut);
      // What has been read is not read again, but for a file's metadata where it stopped within the file.
      expect(before - 1 + (fileRequests().length - before)).toBeLessThanOrEqual(inOneGo + 1);
      expect(text).toBeLessThan(6);
    }
  });

  it('stops in the middle of a compressed file', async () => {
    const { training } = await prepareTokens({
      sources: [{ ...SPEC, split: 'validation', maxTokens: 500 }],
      tokenizer: 'bytes',
      heldOutFraction: 0,
      seed: 0,
      hub: access(),
    });
    expect(new ByteTokenizer().decode(training[0]!.tokens)).toBe(
      VALIDATION.slice(0, 3)
        .map((text) => `${text}<|endoftext|>`)
        .join(''),
    );
  });

  it('stops reading at the wanted number of tokens', async () => {
    const { training, heldOut } = await prepare({ maxTokens: 2500 });
    const tokens = training[0]!.tokens.length + heldOut[0]!.tokens.length;
    expect(tokens).toBeGreaterThanOrEqual(2500);
    expect(tokens).toBeLessThan(2500 + 250);
    expect(fileRequests().every((request) => request.includes('000%20a.parquet'))).toBe(true);
  });
});

describe('findDataFiles', () => {
  const spec = (options: Partial<HubSpec> = {}): HubSpec => ({ ...SPEC, ...options });

  it('reads cards as the hub has them', () => {
    const card = {
      configs: [
        { config_name: 'default', data_files: [{ split: 'train', path: 'data/*/*' }] },
        { config_name: 'sample-100BT', data_files: [{ split: 'train', path: 'sample/100BT/*' }] },
        { config_name: 'en', data_dir: 'multi/', data_files: ['./a.parquet', 'b.parquet'] },
        { config_name: 'bare', data_dir: 'bare' },
      ],
    };
    expect(findDataFiles(spec(), card)).toEqual(['data/*/*']);
    expect(findDataFiles(spec({ config: 'sample-100BT' }), card)).toEqual(['sample/100BT/*']);
    expect(findDataFiles(spec({ config: 'en' }), card)).toEqual(['multi/a.parquet', 'multi/b.parquet']);
    expect(findDataFiles(spec({ config: 'bare' }), card)).toContain('bare/**/train[-._]*');
    expect(() => findDataFiles(spec(), { configs: card.configs.slice(1) })).toThrow(
      /has several configurations\. Set "config" to one of: sample-100BT, en, bare/,
    );
  });

  it('takes names that YAML reads as numbers, a list of none, and folders for what they are called', async () => {
    const card = {
      configs: [
        { config_name: 2022, data_files: '2022/*' },
        { config_name: 2023, default: true, data_files: [{ split: 'train', path: '2023/*' }] },
      ],
    };
    expect(findDataFiles(spec(), card)).toEqual(['2023/*']);
    expect(findDataFiles(spec({ config: '2022' }), card)).toEqual(['2022/*']);
    expect(findDataFiles(spec(), { configs: [] })).toContain('**/train[-._]*');
    expect(() => findDataFiles(spec({ config: 'en' }), { configs: [] })).toThrow(/lists no configurations/);

    await server.close();
    server = await startHubServer({
      ...DATASET,
      cardData: { configs: [{ config_name: 'default', data_dir: 'data (v1) [new]' }] },
      files: {
        'data (v1) [new]/train-0.parquet': parquet({ text: ['right'] }, {}),
        'data v1 n/train-0.parquet': parquet({ text: ['wrong'] }, {}),
      },
    });
    expect(await read()).toEqual(['right']);
    const files = { configs: [{ config_name: 'default', data_files: 'data (v1)/*.parquet' }] };
    expect(findDataFiles(spec(), files)).toEqual([String.raw`data \(v1\)/*.parquet`]);
  });

  it('goes by file names where there is no card', async () => {
    await server.close();
    const files = Object.fromEntries(
      [
        'train-00000-of-1.parquet',
        'data/train-0.parquet',
        'x/train/0.parquet',
        'my_train.parquet',
        'test-0.parquet',
        'retrain.parquet',
      ].map((path) => [path, parquet({ text: [path] }, {})]),
    );
    server = await startHubServer({ name: 'owner/set', commit: DATASET.commit, files });
    expect(await read()).toEqual([
      'data/train-0.parquet',
      'my_train.parquet',
      'train-00000-of-1.parquet',
      'x/train/0.parquet',
    ]);
    expect(await read({ split: 'test' })).toEqual(['test-0.parquet']);
    expect(await failure(open({ config: 'en' }))).toMatch(/lists no configurations, so "en" cannot be found/);
  });
});
