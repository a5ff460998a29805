/** What the system says of the processes of this host. */
import { readFile } from 'node:fs/promises';

/** What the system says of a process; null where it does not say. */
export async function statOf(pid: number): Promise<{
  /** When it began, as text that no two processes of one number share. */
  readonly start: string;
  readonly hasEnded: boolean;
} | null> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field, the program's name in parentheses, may hold anything; after it come the state, Z or X of one
    // that has ended, and, 22nd, the ticks since the boot.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, ticks] = [fields[0], fields[19]];
    return ticks === undefined ? null : { start: `${boot.trim()} ${ticks}`, hasEnded: state === 'Z' || state === 'X' };
  } catch {
    return null;
  }
}

/** Whether no process of this number works any more. */
export async function hasEnded(pid: number): Promise<boolean> {
  if (!isRunning(pid)) return true;
  // Of one that has ended the number is kept until its parent asks for it, and some never do.
  return (await statOf(pid))?.hasEnded === true;
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
