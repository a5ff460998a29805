/**
 * Where things lie in the control block, the part of the shared memory through which the recording thread and the
 * workers speak. Like constants.ts this file is read by TypeScript and by AssemblyScript: plain integer constants only,
 * byte offsets from the start of the block. What different threads write lies 128 bytes apart, so that they do not
 * fight for cache lines.
 *
 * Commands are numbered modulo 2^32; command s lies in slot s modulo RING_SLOTS.
 */

/** Number of the first command: shortly before the numbers wrap around, so that every run exercises that. */
export const FIRST_COMMAND = -1000;

/** u32: number of the command that will be published next. */
export const HEAD = 0;
/**
 * u64: the command that may run now (high half) and how many of its tiles nobody has claimed yet (low half). One word,
 * so that a claim can never hit another command than the one that was looked at. The low half is CLOSED when the
 * command has not been published, and 0 when all tiles are claimed.
 */
export const TICKET = 128;
export const CLOSED = 0xffffffff;
/** u32: finished tiles of the running command. */
export const FINISHED = 256;
/** u32: number of the oldest command that has not completed. */
export const COMPLETED = 384;
/** i32: threads that sleep, or are about to. A thread that wakes others takes them off. */
export const SLEEPERS = 512;
/** i32: counts wake-ups; sleepers wait for it to change. */
export const EPOCH = 516;
/** u32: the recording thread wants a signal when COMPLETED reaches this. */
export const WANTED = 640;
/** i32: 1 after a kernel has failed: all threads stop. */
export const FAILED = 644;
/** i32: 1 while commands are timed. */
export const PROFILING = 648;
/** f64: when the running command could begin, in milliseconds. */
export const SINCE = 768;
/** f64 a label: milliseconds spent in commands of this label. */
export const LABEL_TIMES = 896;
export const LABELS = 64;
/** f64 an opcode: milliseconds spent in this kernel. */
export const KERNEL_TIMES = 1408;
export const OPCODES = 4096;

/** The ring of commands: opcode, tiles, label, nothing, then the argument words. */
export const RING = 34176;
export const RING_SLOTS = 4096;
export const SLOT_BYTES = 256;
export const SLOT_TILES = 4;
export const SLOT_LABEL = 8;
export const SLOT_ARGUMENTS = 16;

/** RING + RING_SLOTS * SLOT_BYTES. */
export const CONTROL_BYTES = 1082752;
