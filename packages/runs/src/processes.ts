/** What the system says of the processes of this host. */
import { readFile } from 'node:fs/promises';

/** A process that works. */
interface Working {
  /** When it began, as text that no two processes of one number share; null where the system does not say. */
  readonly start: string | null;
}

/** The process of this number; null where none works. */
export async function workingProcess(pid: number): Promise<Working | null> {
  if (!isRunning(pid)) return null;
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field, the program's name in parentheses, may hold anything; after it come the state, Z or X of one
    // that has ended, and, 22nd, the ticks since the boot.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, ticks] = [fields[0], fields[19]];
    // Of one that has ended the number is kept until its parent asks for it, and some never do.
    if (state === 'Z' || state === 'X') return null;
    return { start: ticks === undefined ? null : `${boot.trim()} ${ticks}` };
  } catch {
    return { start: null };
  }
}

/** Whether a process has this number. */
function isRunning(pid: number): boolean {
  try {
    // Signal 0 only asks whether the process exists.
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
