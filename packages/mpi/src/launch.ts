/** How this process was started: alone, or by `mpirun` as one of several. */
import { readlinkSync } from 'node:fs';
import { MpiError } from './errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that launchers set for each rank: the number of ranks, or something that only launchers set. */
const SIZES = ['OMPI_COMM_WORLD_SIZE', 'PMI_SIZE'] as const;
const MARKS = ['PMI_PORT', 'PMIX_RANK'] as const;

/** Whether `mpirun`, `mpiexec` or `srun` started this process as one of several ranks. */
export function isLaunchedByMpi(environment: Environment): boolean {
  const size = SIZES.map((name) => environment[name]).find((value) => value !== undefined);
  if (size !== undefined) return Number(size) > 1;
  if (MARKS.every((name) => environment[name] === undefined)) return false;
  return Number(environment['SLURM_STEP_NUM_TASKS'] ?? environment['MPI_LOCALNRANKS'] ?? 2) > 1;
}

/** The kind of MPI whose launcher started this process. */
export function launcherOf(environment: Environment): 'Open MPI' | 'MPICH' {
  const isOpenMpi = environment['OMPI_COMM_WORLD_SIZE'] !== undefined;
  return isOpenMpi || (environment['PMIX_RANK'] !== undefined && environment['PMI_SIZE'] === undefined)
    ? 'Open MPI'
    : 'MPICH';
}

/**
 * MPICH's launcher talks to a rank through an open file, which programs in between (npx, pnpm) close. The library would
 * end the process for that with a message that says nothing.
 *
 * @throws MpiError that says how to start instead
 */
export function checkLauncherReachable(environment: Environment): void {
  const descriptor = environment['PMI_FD'];
  if (descriptor === undefined || isOpenSocket(Number(descriptor))) return;
  throw new MpiError(
    `mpirun gave this rank the open file ${descriptor} to talk to it (PMI_FD), which a program in between, such as pnpm or npx, has closed. ` +
      'Start with mpirun -pmi-port ..., which goes through any program, or start node itself: mpirun -n 2 node scripts/run.mjs apps/trainer/src/main.ts ...',
  );
}

/** Where there is no /proc it cannot be told, and the library says what is wrong. */
function isOpenSocket(descriptor: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith('socket:');
  } catch {
    return process.platform !== 'linux';
  }
}
