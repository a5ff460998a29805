/** A server before runs whose files are damaged while it serves them, for as long as asked (`pnpm soak`). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { cleanUp, runTrainer, trainerCommand } from './end-to-end-cli.ts';
import { pick, randomOf } from './random.ts';
import { layHostileRun } from './soak/hostile-run.ts';
import { recordSoak, soakOf } from './soak/record.ts';

const work = mkdtempSync(join(tmpdir(), 'lpr-server-soak-'));
afterAll(() => {
  rmSync(work, { recursive: true });
  cleanUp();
});

const { minutes, seed } = soakOf();

/** Milliseconds that an answer may take: the readers' own limits one after another, on a machine that is busy. */
const MOST = 40_000;

/** What the page asks of a run. */
const QUESTIONS = [
  '/api/runs',
  '/api/settings',
  '/api/run?run=RUN',
  '/api/series?run=RUN&points=100',
  '/api/series?run=RUN&from=8',
  '/api/exact-series?run=RUN&names=loss,balance.mean.gini',
  '/api/loads?run=RUN&from=0&to=3&points=2',
  '/api/loads?run=RUN&from=2&to=3&layer=1',
  '/api/trace?run=RUN&step=16',
  '/api/file?run=RUN&name=config.yaml',
  '/api/file?run=RUN&name=metrics.jsonl',
  '/api/file?run=RUN&name=evaluations.jsonl',
] as const;
const ALLOWED = [200, 400, 403, 404, 422, 429];

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly milliseconds: number;
}

/** Of what is downloaded whole, 8 GiB of it where such a file lies there, a client need not wait for the end. */
const MOST_BODY_BYTES = 2 ** 24;

async function beginningOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop ends the download.
  for await (const part of response.body ?? []) {
    parts.push(part);
    bytes += part.length;
    if (bytes > MOST_BODY_BYTES) break;
  }
  return Buffer.concat(parts).toString('latin1');
}

it('a server answers whatever lies in the runs that it serves', async () => {
  const run = join(work, 'run');
  const settings = ['training.checkpointEvery=8', 'training.logEvery=4', 'data.batchSize=2', 'evaluation.tokens=1024'];
  const args = ['train', '--preset', 'tiny', '--router', 'lpr', '--steps', '16', '--out', run];
  const trained = await runTrainer([...args, ...settings.flatMap((setting) => ['--set', setting])]);
  expect(trained.code, trained.stderr).toBe(0);
  const served = join(work, 'served');
  mkdirSync(served);
  for (const name of ['good', 'hostile']) cpSync(run, join(served, name), { recursive: true });

  const { words, env } = trainerCommand('dashboard');
  const [node, ...main] = words;
  const server = spawn(node, [...main, 'serve', served, '--port', '0'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [line] = (await once(server.stdout.setEncoding('utf8'), 'data')) as [string];
    const url = new URL(/http:\S+/.exec(line)![0]);
    const ask = async (path: string, options: RequestInit = {}): Promise<Answer> => {
      const start = performance.now();
      const response = await fetch(new URL(path, url), { ...options, signal: AbortSignal.timeout(2 * MOST) });
      const body = await beginningOf(response);
      return { status: response.status, body, milliseconds: performance.now() - start };
    };
    const route = (name: string): Promise<Answer> =>
      ask('/api/route', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ run: name, text: 'The state of our union is strong.' }),
      });
    const of = (question: string, name: string): string => question.replace('RUN', name);
    const own = QUESTIONS.filter((question) => question.includes('RUN'));

    const undamaged = new Map<string, string>();
    for (const question of own) {
      const { status, body } = await ask(of(question, 'good'));
      expect(status, `${question}: ${body}`).toBe(200);
      undamaged.set(question, body);
    }
    const routed = await route('good');
    expect(routed.status, routed.body).toBe(200);

    const random = randomOf(seed);
    const faults: string[] = [];
    let [folders, answers] = [0, 0];
    for (const end = Date.now() + 60_000 * minutes; Date.now() < end; folders++) {
      const damage = layHostileRun(run, join(served, 'hostile'), random).join(', ');
      const judge = (question: string, { status, body, milliseconds }: Answer): void => {
        answers++;
        if (!ALLOWED.includes(status)) faults.push(`${question} after ${damage}: ${status} ${body.slice(0, 300)}`);
        if (milliseconds > MOST) faults.push(`${question} after ${damage}: ${Math.round(milliseconds)} ms`);
      };
      // As a page does: several at once.
      await Promise.all(
        QUESTIONS.map(async (question) => judge(question, await ask(of(question, 'hostile')))).concat(
          route('hostile').then((answer) => judge('/api/route', answer)),
        ),
      );
      const question = pick(own, random);
      const { body } = await ask(of(question, 'good'));
      answers++;
      if (body !== undamaged.get(question))
        faults.push(`another answer of the undamaged run to ${question}: ${damage}`);
    }
    expect([server.exitCode, server.signalCode]).toEqual([null, null]);
    expect((await route('good')).body).toBe(routed.body);
    console.log(`served ${folders} damaged runs, ${answers} answers, ${faults.length} faults`);
    recordSoak([
      { what: 'damaged run folders before the server', count: folders, minutes, lost: faults.length },
      { what: 'answers of that server', count: answers, minutes, lost: faults.length },
    ]);
    expect(faults, `seed ${seed}`).toEqual([]);
    expect(folders).toBeGreaterThan(0);
  } finally {
    server.kill('SIGKILL');
  }
});
