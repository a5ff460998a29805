/**
 * Which launches run together. Launches are gathered for a while; those that do not depend on one another then share
 * one, since a small launch costs the host more than it computes.
 */
import { hasVectors, type PartArguments, type Source } from './backend.ts';
import type { Value } from './value.ts';

/** A launch that was recorded and has not run. */
export interface Planned {
  readonly source: Source;
  /** What its buffers are: wholes. */
  readonly reads: readonly Value[];
  readonly made: readonly Value[];
  readonly given: PartArguments;
  /** Throws where an index that it reads is out of bounds and the host can see it. */
  readonly check: () => void;
}

/** What a launch can hold. */
export interface LaunchLimits {
  readonly buffers: number;
  readonly scalars: number;
}

/** Launches that are gathered before they are put together: of more than that, hardly more are ready at once. */
export const MOST_GATHERED = 512;

/** Kernels of a launch: with more of them the shaders, one for each combination, become large and many. */
const MOST_TOGETHER = 8;

/**
 * Launches of more numbers run alone: they take longer than a launch costs, and a shader keeps as many registers as its
 * greediest part needs.
 */
const MOST_NUMBERS = 2 ** 20;

/** Words before the scalars of a part. */
const PART_WORDS = 6;

/** The launches in an order in which each finds what it reads, those together that run together. */
export function schedule(all: readonly Planned[], limits: LaunchLimits): Planned[][] {
  const { waits, users } = dependencies(all);
  const taken = all.map(() => false);
  const groups: Planned[][] = [];
  for (const [first, planned] of all.entries()) {
    if (taken[first]) continue;
    // Everything before it has been taken, so nothing that it waits for is left.
    const members = isSmall(planned) ? withOthers(first, all, (i) => !taken[i] && waits[i] === 0, limits) : [first];
    for (const member of members) {
      taken[member] = true;
      for (const user of users[member]!) waits[user]!--;
    }
    groups.push(members.map((member) => all[member]!));
  }
  return groups;
}

/** A small launch and those after it that are ready and fit beside it. */
function withOthers(
  first: number,
  all: readonly Planned[],
  isReady: (place: number) => boolean,
  limits: LaunchLimits,
): number[] {
  const members = [first];
  const load = new Load(all[first]!, limits);
  for (let next = first + 1; next < all.length && members.length < MOST_TOGETHER; next++) {
    if (isReady(next) && isSmall(all[next]!) && load.take(all[next]!)) members.push(next);
  }
  return members;
}

/** Buffers that launches bind together, each once as it is and once as vectors, and which those of each are. */
export function bindingsOf(group: readonly Planned[]): { bound: Value[]; places: number[][] } {
  const bound: Value[] = [];
  const known = [new Map<Value, number>(), new Map<Value, number>()] as const;
  const places = group.map(({ source, reads }) =>
    reads.map((value, i) => {
      const own = known[hasVectors(source, source.buffers[i]!) ? 1 : 0];
      let place = own.get(value);
      if (place === undefined) {
        place = bound.push(value) - 1;
        own.set(value, place);
      }
      return place;
    }),
  );
  return { bound, places };
}

function isSmall({ given }: Planned): boolean {
  return given.sizes.reduce((a, b) => a + b, 0) <= MOST_NUMBERS;
}

/** How many values each launch waits for, and which launches wait for it. */
function dependencies(all: readonly Planned[]): { waits: number[]; users: number[][] } {
  const makers = new Map<Value, number>();
  const waits = all.map(() => 0);
  const users = all.map((): number[] => []);
  for (const [i, { reads, made }] of all.entries()) {
    for (const value of reads) {
      const maker = makers.get(value);
      if (maker === undefined) continue;
      waits[i]!++;
      users[maker]!.push(i);
    }
    for (const value of made) makers.set(value, i);
  }
  return { waits, users };
}

/** What a launch binds so far. */
class Load {
  readonly #limits: LaunchLimits;
  readonly #threads: number;
  /** As in bindingsOf. */
  readonly #bound = [new Set<Value>(), new Set<Value>()] as const;
  #results: number;
  #scalars: number;
  /** Whether the place where wrong indices are kept is bound. */
  #checks: boolean;
  /** Types of what is in workgroup memory; null where nothing is. */
  readonly #memory: string | null;

  constructor(first: Planned, limits: LaunchLimits) {
    this.#limits = limits;
    this.#threads = threadsOf(first.source);
    this.#memory = memoryOf(first.source);
    this.#results = first.made.length;
    this.#scalars = 1 + scalarsOf(first);
    this.#checks = checksIndices(first.source);
    this.#bind(first);
  }

  /**
   * Adds a launch, if it fits: workgroups have one size, and one set of variables in their memory or none. What uses it
   * takes long to build, so it is built with its like alone, of which there are few combinations.
   */
  take(planned: Planned): boolean {
    const { source, made } = planned;
    const memory = memoryOf(source);
    if (threadsOf(source) !== this.#threads) return false;
    if (memory !== this.#memory) return false;
    const scalars = this.#scalars + scalarsOf(planned);
    if (scalars > this.#limits.scalars) return false;
    const checks = this.#checks || checksIndices(source);
    const others = this.#results + made.length + (checks ? 1 : 0);
    if (this.#unbound(planned) + this.#bound[0].size + this.#bound[1].size + others > this.#limits.buffers)
      return false;
    this.#results += made.length;
    this.#scalars = scalars;
    this.#checks = checks;
    this.#bind(planned);
    return true;
  }

  #setOf({ source }: Planned, read: number): Set<Value> {
    return this.#bound[hasVectors(source, source.buffers[read]!) ? 1 : 0];
  }

  /** How many of its buffers are not bound yet; one that it reads twice may count twice. */
  #unbound(planned: Planned): number {
    let count = 0;
    for (const [i, value] of planned.reads.entries()) if (!this.#setOf(planned, i).has(value)) count++;
    return count;
  }

  #bind(planned: Planned): void {
    for (const [i, value] of planned.reads.entries()) this.#setOf(planned, i).add(value);
  }
}

function threadsOf(source: Source): number {
  return source.kind === 'shader' ? source.threads[0] * source.threads[1] : 64;
}

function memoryOf(source: Source): string | null {
  return source.kind === 'shader' && source.memory !== undefined ? Object.values(source.memory).join() : null;
}

function scalarsOf({ given }: Planned): number {
  return PART_WORDS + given.integers.length + given.numbers.length;
}

function checksIndices(source: Source): boolean {
  return source.kind === 'kernel' && source.indices.length > 0;
}
