/** A cluster of one node: Slurm's own programs, started in a folder as whoever runs the tests, and ended again. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';

/** Whether its programs are on this machine: Debian's packages slurm-wlm and munge. */
export const hasSlurm = ['munged', 'slurmctld', 'slurmd', 'sbatch'].every(
  (program) => spawnSync('sh', ['-c', `PATH="$PATH:/usr/sbin"; command -v ${program}`]).status === 0,
);

export interface Cluster {
  /** Variables for Slurm's commands. */
  readonly environment: Readonly<Record<string, string>>;
  /** Runs one of them. */
  command(name: string, ...parameters: readonly string[]): Promise<string>;
  /** Ends all jobs and programs. */
  end(): Promise<void>;
}

export async function startCluster(): Promise<Cluster> {
  const root = mkdtempSync(join(tmpdir(), 'lpr-slurm-'));
  // Slurm's programs refuse folders that others may write to.
  chmodSync(root, 0o755);
  for (const folder of ['state', 'spool']) mkdirSync(join(root, folder));
  const [key, socket] = [join(root, 'munge.key'), join(root, 'munge.socket')];
  writeFileSync(key, randomBytes(1024), { mode: 0o400 });
  const config = join(root, 'slurm.conf');
  writeFileSync(config, configuration(root, socket, await freePort(), await freePort()));
  const path = `${process.env['PATH']}:/usr/sbin:/sbin`;
  const environment = { SLURM_CONF: config, PATH: path };
  const env = { ...process.env, ...environment };
  const started: ChildProcess[] = [];
  const start = (program: string, ...parameters: readonly string[]): void => {
    started.push(spawn(program, parameters, { env, stdio: 'ignore' }));
  };
  const run = promisify(execFile);
  const command = async (name: string, ...parameters: readonly string[]): Promise<string> =>
    (await run(name, parameters, { env })).stdout;
  const end = async (): Promise<void> => {
    await command('scancel', '--full', `--user=${userInfo().username}`).catch(() => {});
    for (let i = 0; i < 100 && (await command('squeue', '--noheader').catch(() => '')).trim() !== ''; i++) {
      await setTimeout(100);
    }
    for (const each of started.toReversed()) {
      if (each.exitCode !== null || each.signalCode !== null) continue;
      const gone = new Promise((settle) => each.once('exit', settle));
      each.kill('SIGTERM');
      await Promise.race([gone, setTimeout(5000)]);
      if (each.exitCode === null && each.signalCode === null) each.kill('SIGKILL');
    }
    rmSync(root, { recursive: true, force: true });
  };
  const files = ['pid-file', 'log-file', 'seed-file'].map((kind) => `--${kind}=${join(root, `munge.${kind}`)}`);
  start('munged', '--foreground', '--force', `--key-file=${key}`, `--socket=${socket}`, ...files);
  for (let i = 0; i < 100 && spawnSync('munge', ['-n', `--socket=${socket}`], { env }).status !== 0; i++) {
    await setTimeout(50);
  }
  start('slurmctld', '-D', '-f', config);
  start('slurmd', '-D', '-f', config, '-N', nodeName());
  for (let i = 0; i < 200; i++) {
    if ((await command('sinfo', '--noheader', '--format=%T').catch(() => '')).trim() === 'idle') {
      return { environment, command, end };
    }
    await setTimeout(100);
  }
  const logs = ['slurmctld.log', 'slurmd.log'].map((name) => readFileSync(join(root, name), 'utf8')).join('\n');
  await end();
  throw new Error(`Slurm has not come up within 20 seconds:\n${logs}`);
}

function nodeName(): string {
  return hostname().split('.')[0]!;
}

function configuration(root: string, socket: string, controller: number, node: number): string {
  const user = userInfo().username;
  return `ClusterName=test
SlurmctldHost=${nodeName()}(127.0.0.1)
SlurmctldPort=${controller}
SlurmdPort=${node}
SlurmUser=${user}
SlurmdUser=${user}
AuthType=auth/munge
AuthInfo=socket=${socket}
CredType=cred/munge
StateSaveLocation=${join(root, 'state')}
SlurmdSpoolDir=${join(root, 'spool')}
SlurmctldPidFile=${join(root, 'slurmctld.pid')}
SlurmdPidFile=${join(root, 'slurmd.pid')}
SlurmctldLogFile=${join(root, 'slurmctld.log')}
SlurmdLogFile=${join(root, 'slurmd.log')}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=1,sched_interval=1
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=30
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
NodeName=${nodeName()} NodeAddr=127.0.0.1 CPUs=${availableParallelism()} State=UNKNOWN
PartitionName=main Nodes=${nodeName()} Default=YES MaxTime=INFINITE State=UP
`;
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle));
  const address = server.address();
  await new Promise((settle) => server.close(settle));
  if (typeof address !== 'object' || address === null) throw new Error('no port is free');
  return address.port;
}
