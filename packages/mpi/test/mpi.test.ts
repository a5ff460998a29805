import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { broadcastText, inProcess, isLaunchedByMpi, MpiError, openCommunicator } from '../src/index.ts';
import { tryAllCalls } from './calls.ts';

const TIMEOUT = 60_000;

const launchers = [['mpiexec.hydra'], ['mpirun.openmpi', '--allow-run-as-root', '--oversubscribe']].filter(
  ([command]) => spawnSync(command!, ['--version']).status === 0,
);
const note = launchers.length === 0 ? ' (skipped: no MPI is installed; Debian: mpich, openmpi-bin)' : '';

/** Starts ranks that try all calls. */
async function start(
  launcher: readonly string[],
  ranks: number,
  ...args: readonly string[]
): Promise<{ code: unknown; lines: string[]; stderr: string }> {
  const [command, ...rest] = launcher;
  const program = [process.execPath, '--import', import.meta.resolve('tsx'), join(import.meta.dirname, 'ranks.ts')];
  const child = spawn(command!, [...rest, '-n', String(ranks), ...program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [unknown];
  return { code, lines: stdout.split('\n').filter((line) => line.startsWith('{')), stderr };
}

describe.skipIf(launchers.length === 0)(`under a launcher${note}`, () => {
  it.each(launchers)(
    'ranks exchange numbers, and the event loop stays alive: %s',
    async (...launcher) => {
      for (const ranks of [2, 3]) {
        const { code, lines, stderr } = await start(launcher, ranks);
        expect(code, stderr).toBe(0);
        const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
        expect(told.map(({ rank }) => rank).sort()).toEqual(Array.from({ length: ranks }, (_, rank) => rank));
        for (const each of told) {
          expect(each).toMatchObject({ size: ranks, local: ranks, text: 'from rank 0', waited: true });
          expect(each['description']).toMatch(/^(MPICH|Open MPI v)[ \d]/);
        }
      }
    },
    TIMEOUT,
  );

  it.each(launchers)(
    'one rank ends all with its code: %s',
    async (...launcher) => {
      const { code, lines } = await start(launcher, 2, 'abort');
      expect([code, lines]).toEqual([7, []]);
    },
    TIMEOUT,
  );
});

describe('ranks in one process', () => {
  it('exchange numbers as processes do', async () => {
    for (const size of [1, 2, 3]) await Promise.all(inProcess(size).map(tryAllCalls));
    const texts = inProcess(2).map((communicator) => broadcastText(communicator, `from ${communicator.rank}`));
    expect(await Promise.all(texts)).toEqual(['from 0', 'from 0']);
  });

  it('count the bytes that leave them', async () => {
    const team = inProcess(4);
    await Promise.all(team.map((each) => each.scatterParts(new Float32Array(8), new Float32Array(6))));
    await Promise.all(team.map((each) => each.broadcast(new Uint8Array(5), 2)));
    expect(team.map(({ bytesSent }) => bytesSent)).toEqual([24, 24, 24 + 15, 24]);
    await Promise.all(team.map((each) => each.gatherParts(new Float32Array(6))));
    expect(team.map(({ bytesSent }) => bytesSent)).toEqual([48, 48, 48 + 15, 24]);
    await expect(team[3]!.scatterParts(new Float32Array(6), new Float32Array(3))).rejects.toThrow(
      'scatterParts: got 3 numbers to receive in, expected 0: of 6 numbers rank 3 of 4 gets 0 from each other',
    );
  });

  it('count no bytes that they keep, and refuse parts that do not fit', async () => {
    const [a, b] = inProcess(2);
    await Promise.all([
      a!.allToAllV(new Float32Array(5), [2, 3], new Float32Array(3), [2, 1]),
      b!.allToAllV(new Float32Array(5), [1, 4], new Float32Array(7), [3, 4]),
    ]);
    expect([a!.bytesSent, b!.bytesSent, a!.beside.bytesSent]).toEqual([12, 4, 0]);
    await expect(a!.allToAllV(new Float32Array(5), [2, 2], new Float32Array(3), [2, 1])).rejects.toThrow(
      'allToAllV: got 2 parts of 4 numbers sent, expected one for each of 2 ranks, 5 in all',
    );
    const calls = [
      a!.allToAllV(new Float32Array(1), [0, 1], new Float32Array(0), [0, 0]),
      b!.allToAllV(new Float32Array(0), [0, 0], new Float32Array(2), [2, 0]),
    ];
    await expect(Promise.all(calls)).rejects.toThrow('rank 1 awaits 2 numbers, and 1 were sent to it');
  });

  it('say so where they call different things', async () => {
    const [a, b] = inProcess(2);
    const calls = [a!.barrier(), b!.allReduce(new Float32Array(1))];
    await expect(Promise.all(calls)).rejects.toThrow('ranks disagree: rank 1 calls allReduce, another barrier');
  });
});

describe('a process', () => {
  it('knows whether it was started as one of several', async () => {
    expect(isLaunchedByMpi({})).toBe(false);
    expect(isLaunchedByMpi({ OMPI_COMM_WORLD_SIZE: '1', PMIX_RANK: '0' })).toBe(false);
    expect(isLaunchedByMpi({ OMPI_COMM_WORLD_SIZE: '2', PMIX_RANK: '0' })).toBe(true);
    expect(isLaunchedByMpi({ PMI_SIZE: '4' })).toBe(true);
    expect(isLaunchedByMpi({ PMI_PORT: 'host:1', MPI_LOCALNRANKS: '2' })).toBe(true);
    expect(isLaunchedByMpi({ PMIX_RANK: '0', SLURM_STEP_NUM_TASKS: '1' })).toBe(false);
    const { rank, size, local } = await openCommunicator({});
    expect({ rank, size, local }).toEqual({ rank: 0, size: 1, local: 1 });
  });

  it('says what keeps it from the others', async () => {
    const closed = openCommunicator({ PMI_SIZE: '2', PMI_FD: '987' });
    await expect(closed).rejects.toThrow(/open file 987 .* has closed\. Start with mpirun -pmi-port/);
    const missing = openCommunicator({ PMI_SIZE: '2', LPR_MPI_LIBRARY: 'libnone.so.1' });
    await expect(missing).rejects.toThrow(/library cannot be loaded \(.*libnone\.so\.1.*apt-get install libmpich12/);
    await expect(missing).rejects.toThrow(MpiError);
  });
});
