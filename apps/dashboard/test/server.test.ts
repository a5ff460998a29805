/** What the server answers, and above all what it does not. */
import { appendFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { basename, join } from 'node:path';
import { decodeLoads } from '@lpr/metrics';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AllSettings, ExpertLife, RunDetails, RunList, SeriesFile } from '../src/api.ts';
import { PathError, ServedFolder } from '../src/server/paths.ts';
import { type Dashboard, serveDashboard } from '../src/server/server.ts';
import { loadsFile, metricsLine, temporaryFolder, traceFile, writeRun } from './folders.ts';

const SECRET = 'what no page may ever see';
const HOSTILE = `"><img src=x onerror=alert(1)>'{a|b}%2e%2e`;

let root: string;
let outside: string;
let dashboard: Dashboard;
let remove: () => Promise<void>;
beforeAll(async () => {
  const temporary = await temporaryFolder();
  remove = temporary.remove;
  root = join(temporary.path, 'runs');
  outside = join(temporary.path, 'outside');
  await writeRun(outside);
  await writeFile(join(outside, 'config.yaml'), SECRET);
  await writeFile(join(temporary.path, 'config.yaml'), SECRET);
  await writeRun(join(root, 'good'));
  await mkdir(join(root, 'good', 'traces'));
  for (const step of [20, 40]) await writeFile(join(root, 'good', 'traces', `step-0000${step}.trace`), traceFile(step));
  await writeRun(join(root, 'compare', HOSTILE));
  await mkdir(join(root, 'sly'));
  await writeFile(join(root, 'sly', 'metrics.jsonl'), metricsLine(1));
  if (process.platform !== 'win32') {
    await symlink(outside, join(root, 'linked'));
    await symlink('/', join(root, 'everything'));
    for (const file of ['config.yaml', 'loads.bin']) await symlink(join(outside, file), join(root, 'sly', file));
    await symlink(join(root, 'good', 'config.yaml'), join(root, 'sly', 'evaluations.jsonl'));
  }
  dashboard = await serveDashboard(root, { host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await dashboard.close();
  await remove();
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Sends a path as it is: `fetch` would tidy it first. */
function ask(
  path: string,
  { method = 'GET', headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { port } = new URL(dashboard.url);
    const sent = request({ host: '127.0.0.1', port, path, method, headers }, (response: IncomingMessage) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(parts) }),
      );
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function json<T>(path: string): Promise<T> {
  const { status, body } = await ask(path);
  expect(status, body.toString()).toBe(200);
  return JSON.parse(body.toString()) as T;
}

describe('the server', () => {
  it('lists runs, also of comparisons, and answers with what their files hold', async () => {
    const { runs } = await json<RunList>('/api/runs');
    expect(runs.map(({ id }) => id)).toEqual([`compare/${HOSTILE}`, 'good', 'sly']);
    const details = await json<RunDetails>('/api/run?run=good');
    expect(details.loads).toMatchObject({ layers: 2, experts: 8, topK: 2, windows: 4 });
    expect(details.settings).toContainEqual(['training.steps', '100']);
    expect(details.files.map(({ name }) => name)).toEqual(['config.yaml', 'metrics.jsonl', 'loads.bin']);
    expect(details.explorer.unavailable).toMatch(/no checkpoint/);
    const { paths, runs: settings } = await json<AllSettings>('/api/settings');
    expect(settings['good']?.[paths.indexOf('training.steps')]).toBe('100');
    expect(Object.keys(settings)).toEqual(runs.map(({ id }) => id));
    const { series, valuesPerPoint } = await json<SeriesFile>('/api/series?run=good&points=10&from=11');
    expect(series['loss']!.steps[0]).toBe(12);
    expect(valuesPerPoint).toBe(3);
    const exact = await json<SeriesFile>('/api/exact-series?run=good&names=loss,tokens&from=11');
    expect([Object.keys(exact.series), exact.series['loss']!.steps[0], exact.valuesPerPoint]).toEqual([
      ...[['tokens', 'loss'], 11, 1],
    ]);
    for (const names of ['', 'loss,'.repeat(20)]) {
      expect((await ask(`/api/exact-series?run=good&names=${names}`)).status).toBe(400);
    }
    const loads = await ask('/api/loads?run=good&from=1&to=1');
    expect(decodeLoads(loads.body).windows).toEqual([decodeLoads(loadsFile(4)).windows[1]]);
    const file = await ask('/api/file?run=good&name=loads.bin');
    expect(file.headers['content-disposition']).toBe('attachment; filename="loads.bin"');
    expect(file.body).toEqual(loadsFile(4));
    expect(details.traces).toEqual([20, 40]);
    expect((await ask('/api/trace?run=good&step=40')).body).toEqual(Buffer.from(traceFile(40)));
    expect((await ask('/api/trace?run=good&step=30')).status).toBe(404);
  });

  it('says of loads that are none what is wrong with them', async () => {
    await writeRun(join(root, 'other-loads'));
    await writeFile(join(root, 'other-loads', 'loads.bin'), Buffer.alloc(4096));
    const { status, body } = await ask('/api/loads?run=other-loads&from=0&to=1');
    await rm(join(root, 'other-loads'), { recursive: true });
    expect([status, body.toString()]).toEqual([422, expect.stringContaining('not a file of expert loads')]);
  });

  it('answers a run of any name', async () => {
    const query = new URLSearchParams({ run: `compare/${HOSTILE}` });
    expect((await json<RunDetails>(`/api/run?${query.toString()}`)).summary.name).toBe(HOSTILE);
  });

  it('forbids scripts and styles that are not its own, sniffing and frames, in every answer', async () => {
    for (const path of [
      '/',
      '/run?run=good',
      '/main.js',
      '/api/runs',
      '/api/file?run=good&name=config.yaml',
      '/nothing',
    ]) {
      const { headers } = await ask(path);
      const policy = headers['content-security-policy'];
      expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain('unsafe');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['access-control-allow-origin']).toBeUndefined();
    }
    expect((await ask('/')).body.toString()).not.toMatch(/<script(?![^>]* src=)|style=| on[a-z]+=/);
  });

  it('answers no name that someone else could point here', async () => {
    const { port } = new URL(dashboard.url);
    for (const host of [`localhost:${port}`, 'localhost', `127.0.0.1:${port}`, `[::1]:${port}`, 'LOCALHOST:80']) {
      expect((await ask('/api/runs', { headers: { host } })).status).toBe(200);
    }
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      'localhost.evil.example',
      'localhost@evil.example',
      '127.0.0.1.evil.example',
    ]) {
      expect((await ask('/api/runs', { headers: { host } })).status, host).toBe(403);
    }
  });

  it('takes texts from its own page alone, and no large ones', async () => {
    const { port } = new URL(dashboard.url);
    const post = (headers: Record<string, string>, body: string): Promise<Answer> =>
      ask('/api/route', { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });
    const text = JSON.stringify({ run: 'good', text: 'hello' });
    expect((await post({ origin: 'http://evil.example' }, text)).status).toBe(403);
    expect((await post({ 'content-type': 'text/plain' }, text)).status).toBe(415);
    expect((await post({}, 'x'.repeat(70_000))).status).toBe(413);
    expect((await post({}, 'nonsense')).status).toBe(400);
    expect((await post({}, '{"run":"good"}')).status).toBe(400);
    expect((await post({}, JSON.stringify({ run: '../outside', text: 'hello' }))).status).toBe(404);
    const answer = await post({ origin: `http://127.0.0.1:${port}` }, text);
    expect(answer.status).toBe(422);
    expect(answer.body.toString()).toMatch(/no checkpoint yet/);
    for (const method of ['PUT', 'DELETE', 'OPTIONS', 'POST']) {
      expect((await ask('/api/runs', { method })).status).toBe(405);
    }
  });

  it('looks into a routed text for its own page alone, at a place that is one', async () => {
    const post = (body: object, headers: Record<string, string> = {}): Promise<Answer> =>
      ask('/api/look', {
        ...{ method: 'POST', body: JSON.stringify(body) },
        headers: { 'content-type': 'application/json', ...headers },
      });
    const place = { run: 'good', text: 'hello', layer: 0, token: 0, expert: 0 };
    expect((await post(place, { origin: 'http://evil.example' })).status).toBe(403);
    expect((await post({ ...place, layer: 'x' })).status).toBe(400);
    expect((await post({ ...place, expert: 0.5 })).status).toBe(400);
    expect((await post({ ...place, run: '../outside' })).status).toBe(404);
    expect((await post(place)).body.toString()).toMatch(/no checkpoint yet/);
    expect((await ask('/api/look')).status).toBe(405);
  });

  it('tells the life of an expert', async () => {
    const life = await json<ExpertLife>('/api/expert?run=good&layer=1&expert=3');
    expect(life.training).toEqual({
      ...{ windows: 4, step: 40, tokensSince: 0 },
      last: { after: 30, step: 40, load: 3103, tokens: 2560 },
    });
    // The run has no tokenizer: ids stand for themselves.
    expect(life.heldOut).toMatchObject({ traces: 2, step: 40, last: { step: 40, tokens: 16, of: 64 } });
    expect(life.heldOut!.last!.most[0]!.text).toMatch(/^token \d$/);
  });

  it('says what is wrong with a query', async () => {
    for (const [path, message] of [
      ['/api/expert?run=good&layer=2&expert=0', 'layer 2 has no expert 0: the run has 2 layers with experts 0 to 7'],
      ['/api/expert?run=good&layer=x', 'layer is x; it must be a number'],
      ['/api/series?run=good&points=0', 'points is 0; it must be a whole number from 1 to 2000'],
      ['/api/series?run=good&from=x', 'from is x; it must be a number'],
      ['/api/loads?run=good&from=9&to=9', 'windows 9 to 9 are not there; the run has 4, counted from 0'],
      ['/api/loads?run=good&from=3&to=1', 'windows 3 to 1 are not there'],
      ['/api/loads?run=good&layer=2', 'layer 2 is not there; the run has 2'],
    ] as const) {
      const { status, body } = await ask(path);
      expect(status).toBe(400);
      expect(body.toString()).toContain(message);
    }
    expect((await ask('/api/run?run=nothing')).status).toBe(404);
  });
});

describe('files outside of the folder', () => {
  const tricks = [
    '../outside',
    '..%2foutside',
    '%2e%2e/outside',
    '..\\outside',
    '....//outside',
    '/outside',
    'good/../../outside',
    './good/../../outside',
    'good\0',
    'good/\0/../../outside',
    '\u2025/outside',
    'linked',
    'everything/etc',
    '',
    '.',
    '..',
    '__proto__',
  ];

  it('are no runs, however they are written', async () => {
    for (const trick of tricks) {
      for (const encode of [
        (text: string) => text.replaceAll('\0', '%00').replaceAll('\u2025', '%E2%80%A5'),
        encodeURIComponent,
        (text: string) => encodeURIComponent(encodeURIComponent(text)),
      ]) {
        for (const path of [
          `/api/run?run=${encode(trick)}`,
          `/api/file?run=${encode(trick)}&name=config.yaml`,
          `/api/loads?run=${encode(trick)}`,
        ]) {
          const { status, body } = await ask(path);
          expect([400, 403, 404], path).toContain(status);
          expect(body.toString()).not.toContain(SECRET);
        }
      }
    }
  });

  it('are not reached by names of files or addresses of pages', async () => {
    for (const name of [
      '../config.yaml',
      '../../outside/config.yaml',
      '%2e%2e%2fconfig.yaml',
      '..%5cconfig.yaml',
      '/etc/passwd',
      'lock',
      'config.yaml%00',
      'checkpoints',
    ]) {
      for (const path of [
        `/api/file?run=good&name=${name}`,
        `/${name}`,
        `//${name}`,
        `/good/${name}`,
        `/..//${name}`,
      ]) {
        const { status, body } = await ask(path);
        expect([400, 403, 404], path).toContain(status);
        expect(body.toString()).not.toMatch(/root:|what no page/);
      }
    }
    for (const path of [
      'http://evil.example/api/runs',
      '*',
      '//evil.example/../config.yaml',
      '/%c0%ae%c0%ae/config.yaml',
    ]) {
      expect((await ask(path)).status, path).toBeGreaterThanOrEqual(400);
    }
  });

  it.skipIf(process.platform === 'win32')('are not reached by symbolic links', async () => {
    expect((await ask('/api/file?run=sly&name=config.yaml')).status).toBe(403);
    expect((await ask('/api/loads?run=sly')).status).toBe(403);
    const { summary, loads, files, settings } = await json<RunDetails>('/api/run?run=sly');
    expect(loads).toBeNull();
    expect(settings).toEqual([]);
    expect(files.map(({ name }) => name)).toEqual(['metrics.jsonl', 'evaluations.jsonl']);
    expect(summary.step).toBe(1);
    expect(summary.problems.join('\n')).toContain('leads out of the served folder');
    // A link that stays inside is followed.
    expect((await ask('/api/file?run=sly&name=evaluations.jsonl')).body.toString()).toContain('router: lpr');
  });

  it('have no path that resolves', async () => {
    const folder = await ServedFolder.at(root);
    const part = fc.oneof(
      fc.constantFrom(
        '..',
        '.',
        '',
        'good',
        'sly',
        'linked',
        'everything',
        'etc',
        'config.yaml',
        '..\\outside',
        'c:',
        '\0',
        '%2e%2e',
        basename(outside),
      ),
      fc.string({ unit: fc.constantFrom('.', '/', '\\', '\0', '%', ':', 'é', '😀'), maxLength: 4 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 6 }), async (parts) => {
        const real = await folder.resolve(parts.join('/')).catch((error: unknown) => {
          expect(error instanceof PathError || (error instanceof Error && 'code' in error)).toBe(true);
          return null;
        });
        if (real !== null) expect(`${real}/`.startsWith(`${folder.root}/`)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

describe('events', () => {
  /** Reads events until one satisfies `wanted`; then goes away. */
  async function listen(wanted: (list: RunList) => boolean, then?: () => Promise<void>): Promise<RunList> {
    const own = new AbortController();
    const response = await fetch(new URL('/api/events', dashboard.url), { signal: own.signal });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    let text = '';
    let started = false;
    try {
      for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
        text += part;
        const whole = text.split('\n\n');
        text = whole.pop()!;
        for (const event of whole) {
          const data = /^event: runs\ndata: (.*)$/s.exec(event.replace('retry: 2000\n', ''))?.[1];
          if (data === undefined) continue;
          const list = JSON.parse(data) as RunList;
          if (wanted(list)) return list;
          if (!started) {
            started = true;
            await then?.();
          }
        }
      }
    } finally {
      own.abort();
    }
    throw new Error('the events ended');
  }

  it('tell of what a run writes, and forget a page that goes away', async () => {
    const run = (list: RunList): RunList['runs'][number] | undefined => list.runs.find(({ id }) => id === 'good');
    const list = await listen(
      (each) => run(each)?.step === 41,
      () => appendFile(join(root, 'good', 'metrics.jsonl'), metricsLine(41)),
    );
    expect(run(list)!.measures.loss).toBeCloseTo(5.59, 9);
    await expect.poll(() => dashboard.listeners()).toBe(0);
  });

  it('are told to nobody who asks for their headers alone', async () => {
    const { status, headers, body } = await ask('/api/events', { method: 'HEAD' });
    expect([status, headers['content-type'], body.length]).toEqual([200, 'text/event-stream', 0]);
    expect(dashboard.listeners()).toBe(0);
  });

  it('end when the server does', async () => {
    const other = await serveDashboard(root, { host: '127.0.0.1', port: 0 });
    const response = await fetch(new URL('/api/events', other.url));
    const reading = response.text().catch(() => 'cut off');
    await expect.poll(() => other.listeners()).toBe(1);
    await other.close();
    expect(await reading).toMatch(/event: runs|cut off/);
    await expect(fetch(other.url)).rejects.toThrow('fetch failed');
  });
});
