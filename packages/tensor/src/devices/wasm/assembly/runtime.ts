/**
 * What a thread does between kernels: claims tiles of the running command, opens the next command when the last tile is
 * finished, spins a little, sleeps. The control block is described in layout.ts, one folder up.
 *
 * Commands run strictly one after the other. The thread that finishes the last tile of command s owns the step to s +
 * 1: it alone counts, times, and opens it. When nothing is published, it leaves the ticket CLOSED, and the first thread
 * that sees the new HEAD takes ownership by swapping CLOSED for 0.
 */
import {
  CLOSED,
  COMPLETED,
  EPOCH,
  FAILED,
  FINISHED,
  HEAD,
  KERNEL_TIMES,
  LABEL_TIMES,
  PROFILING,
  RING,
  RING_SLOTS,
  SINCE,
  SLEEPERS,
  SLOT_ARGUMENTS,
  SLOT_BYTES,
  SLOT_LABEL,
  SLOT_TILES,
  TICKET,
  WANTED,
} from '../layout';
import { runTile } from './dispatch';

/** Milliseconds on a clock that all threads share. */
declare function now(): f64;

/** Tells the recording thread that COMPLETED has reached WANTED. */
declare function signal(): void;

/** Looks at the ticket before a thread goes to sleep: long enough to bridge the gap between two recorded commands. */
const SPINS: i32 = 4000;

let control: usize = 0;
let scratch: usize = 0;
let runningOpcode: i32 = 0;
let runningTile: i32 = 0;

/** Says where this thread finds the control block and its own scratch memory. */
export function attach(controlAddress: usize, scratchAddress: usize): void {
  control = controlAddress;
  scratch = scratchAddress;
}

/** The kernel and the tile that this thread runs or, after a trap, ran. */
export function currentOpcode(): i32 {
  return runningOpcode;
}
export function currentTile(): i32 {
  return runningTile;
}

/** Runs published commands until there is nothing left for this thread to do. */
export function drain(): void {
  while (true) {
    const ticket = atomic.load<u64>(control + TICKET);
    const remaining = <u32>ticket;
    if (remaining == 0) return;
    const sequence = <u32>(ticket >> 32);
    if (remaining == CLOSED) {
      if (atomic.load<u32>(control + HEAD) == sequence) return;
      if (atomic.cmpxchg<u64>(control + TICKET, ticket, (<u64>sequence) << 32) == ticket) {
        if (load<i32>(control + PROFILING)) store<f64>(control + SINCE, now());
        open(sequence);
      }
    } else if (atomic.cmpxchg<u64>(control + TICKET, ticket, ticket - 1) == ticket) {
      runClaimed(sequence, remaining);
    }
  }
}

/** A worker's life: runs commands, spins, sleeps. Returns when a kernel has failed in any thread. */
export function work(): void {
  while (!atomic.load<i32>(control + FAILED)) {
    drain();
    let spins = SPINS;
    while (spins > 0 && !hasWork()) spins--;
    if (spins == 0) sleep();
  }
}

/** Stops all threads: called by the host after a kernel has failed in this one. */
export function stop(): void {
  atomic.store<i32>(control + FAILED, 1);
  wake(-1);
}

function slotOf(sequence: u32): usize {
  return control + RING + (sequence & (RING_SLOTS - 1)) * SLOT_BYTES;
}

function runClaimed(sequence: u32, remaining: u32): void {
  const slot = slotOf(sequence);
  const tiles = load<u32>(slot + SLOT_TILES);
  runningOpcode = load<i32>(slot);
  runningTile = tiles - remaining;
  runTile(runningOpcode, slot + SLOT_ARGUMENTS, runningTile, scratch);
  if (tiles == 1 || atomic.add<u32>(control + FINISHED, 1) + 1 == tiles) finish(sequence, slot);
}

function finish(sequence: u32, slot: usize): void {
  if (load<i32>(control + PROFILING)) stamp(slot);
  atomic.store<u32>(control + FINISHED, 0);
  // From here on the recording thread may use the slot again.
  atomic.store<u32>(control + COMPLETED, sequence + 1);
  open(sequence + 1);
  if (atomic.load<u32>(control + WANTED) == sequence + 1) signal();
}

/** Only for the thread that owns the step to `sequence`. */
function open(sequence: u32): void {
  if (atomic.load<u32>(control + HEAD) == sequence) {
    atomic.store<u64>(control + TICKET, ((<u64>sequence) << 32) | CLOSED);
    return;
  }
  const tiles = load<u32>(slotOf(sequence) + SLOT_TILES);
  atomic.store<u64>(control + TICKET, ((<u64>sequence) << 32) | tiles);
  if (tiles > 1) wake(tiles - 1);
}

function stamp(slot: usize): void {
  const time = now();
  const spent = time - load<f64>(control + SINCE);
  const label = control + LABEL_TIMES + 8 * load<usize>(slot + SLOT_LABEL);
  const kernel = control + KERNEL_TIMES + 8 * load<usize>(slot);
  store<f64>(label, load<f64>(label) + spent);
  store<f64>(kernel, load<f64>(kernel) + spent);
  store<f64>(control + SINCE, time);
}

function hasWork(): bool {
  const ticket = atomic.load<u64>(control + TICKET);
  const remaining = <u32>ticket;
  if (remaining == CLOSED) return atomic.load<u32>(control + HEAD) != <u32>(ticket >> 32);
  return remaining != 0;
}

function wake(count: i32): void {
  if (atomic.load<i32>(control + SLEEPERS) == 0) return;
  atomic.add<i32>(control + EPOCH, 1);
  const woken = atomic.notify(control + EPOCH, count);
  if (woken) atomic.sub<i32>(control + SLEEPERS, woken);
}

/**
 * A waker changes the state first and looks at SLEEPERS then; a sleeper counts itself first and looks at the state
 * then. So either the waker sees the sleeper or the sleeper sees the work.
 */
function sleep(): void {
  atomic.add<i32>(control + SLEEPERS, 1);
  const epoch = atomic.load<i32>(control + EPOCH);
  if (!hasWork() && !atomic.load<i32>(control + FAILED)) {
    if (atomic.wait<i32>(control + EPOCH, epoch, -1) == 0) return;
  }
  atomic.sub<i32>(control + SLEEPERS, 1);
}
