/**
 * The MPI library of the system, loaded through koffi: which file it is, what its constants are, and its functions.
 * Every library has the functions of the standard; what a communicator or a type of numbers is, each decides for
 * itself: a number in MPICH and its kin (Intel MPI, MVAPICH), the address of something in Open MPI.
 */
import type { LibraryHandle } from 'koffi';
import { MpiError } from './errors.ts';
import { type Environment, launcherOf } from './launch.ts';

/** A communicator, type or operation, as functions of the library take it. */
export type Handle = number | bigint;

export interface MpiConstants {
  readonly world: Handle;
  readonly byte: Handle;
  readonly int: Handle;
  readonly float: Handle;
  readonly sum: Handle;
  readonly noInfo: Handle;
  /** Address that stands for "the numbers are where the result goes". */
  readonly inPlace: bigint;
  /** Splits a communicator into those that share memory. */
  readonly sharedMemory: number;
}

/** Something that lies at an address: an array, or an address itself. */
type Memory = NodeJS.TypedArray | bigint | null;
/** A function of the library; all give 0, or end the process with a message (MPI_ERRORS_ARE_FATAL). */
type Call<Arguments extends readonly unknown[]> = (...args: Arguments) => number;

export interface MpiFunctions {
  readonly initThread: Call<[null, null, number, Memory]>;
  readonly finalize: Call<[]>;
  readonly abort: Call<[Handle, number]>;
  readonly rank: Call<[Handle, Memory]>;
  readonly size: Call<[Handle, Memory]>;
  readonly splitType: Call<[Handle, number, number, Handle, Memory]>;
  readonly duplicate: Call<[Handle, Memory]>;
  readonly test: Call<[Memory, Memory, Memory]>;
  readonly ibarrier: Call<[Handle, Memory]>;
  readonly ibcast: Call<[Memory, number, Handle, number, Handle, Memory]>;
  readonly ialltoallv: Call<[Memory, Memory, Memory, Handle, Memory, Memory, Memory, Handle, Handle, Memory]>;
  readonly iallgather: Call<[Memory, number, Handle, Memory, number, Handle, Handle, Memory]>;
  readonly iallgatherv: Call<[Memory, number, Handle, Memory, Memory, Memory, Handle, Handle, Memory]>;
  readonly iallreduce: Call<[Memory, Memory, number, Handle, Handle, Handle, Memory]>;
}

export interface MpiLibrary {
  /** "Open MPI v4.1.4" */
  readonly description: string;
  readonly constants: MpiConstants;
  readonly functions: MpiFunctions;
}

/** From the header of MPICH, which its kin share by the "MPICH ABI". */
const MPICH_CONSTANTS: MpiConstants = {
  world: 0x44000000,
  byte: 0x4c00010d,
  int: 0x4c000405,
  float: 0x4c00040a,
  sum: 0x58000003,
  noInfo: 0x1c000000,
  inPlace: -1n,
  sharedMemory: 1,
};

/** Names to load, the likeliest first. */
const FILES = {
  'Open MPI': ['libmpi.so.40', 'libmpi.so', 'libmpi.dylib'],
  MPICH: ['libmpich.so.12', 'libmpi.so.12', 'libmpich.so', 'libmpi.dylib'],
} as const;

/**
 * What the libraries are told in the environment where the user has not. By default UCX (below MPICH) and Open MPI
 * rewrite the code of `mmap`, `munmap` and `brk` in the running process, to be told of memory that is freed: other
 * threads of Node are in there at that moment, and some crash. UCX also takes over the signals of crashes.
 */
const SAFE_BESIDE_THREADS: Readonly<Record<string, string>> = {
  UCX_MEM_EVENTS: 'n',
  UCX_ERROR_SIGNALS: '',
  OMPI_MCA_memory: '^patcher',
};

const LONGEST_VERSION = 8192;

/**
 * Loads the library that fits the launcher.
 *
 * @throws MpiError where there is no koffi or no library
 */
export async function loadLibrary(environment: Environment): Promise<MpiLibrary> {
  const koffi = await import('koffi').catch((error: unknown) => {
    throw new MpiError(
      `mpirun started this process as one of several ranks, but the package koffi, through which MPI is called, is not there (${messageOf(error)}). ` +
        'Install it: pnpm install, without --no-optional',
    );
  });
  for (const [name, value] of Object.entries(SAFE_BESIDE_THREADS)) process.env[name] ??= value;
  const launcher = launcherOf(environment);
  const named = environment['LPR_MPI_LIBRARY'];
  const files = named === undefined ? FILES[launcher] : [named];
  const library = firstThatLoads(files, (file) => koffi.default.load(file, { global: true }), launcher);
  const version = Buffer.alloc(LONGEST_VERSION);
  library.func('int MPI_Get_library_version(void *version, void *length)')(version, Buffer.alloc(8));
  const text = version.toString('latin1', 0, version.indexOf(0));
  const isOpenMpi = text.startsWith('Open MPI');
  const address = (symbol: string): bigint => koffi.default.address(library.symbol(symbol));
  const constants = isOpenMpi
    ? {
        world: address('ompi_mpi_comm_world'),
        byte: address('ompi_mpi_byte'),
        int: address('ompi_mpi_int'),
        float: address('ompi_mpi_float'),
        sum: address('ompi_mpi_op_sum'),
        noInfo: address('ompi_mpi_info_null'),
        inPlace: 1n,
        sharedMemory: 0,
      }
    : MPICH_CONSTANTS;
  return {
    description: isOpenMpi
      ? /^[^,]*/.exec(text)![0]
      : text.split('\n')[0]!.replaceAll(/\s+/g, ' ').replace(' Version:', ''),
    constants,
    functions: functionsOf(library, isOpenMpi ? 'uintptr_t' : 'int'),
  };
}

function firstThatLoads<Library>(files: readonly string[], load: (file: string) => Library, launcher: string): Library {
  const faults: string[] = [];
  for (const file of files) {
    try {
      return load(file);
    } catch (error) {
      faults.push(`${file}: ${messageOf(error)}`);
    }
  }
  const packages = launcher === 'Open MPI' ? 'libopenmpi3' : 'libmpich12';
  throw new MpiError(
    `the launcher of ${launcher} started this process as one of several ranks, but its library cannot be loaded (${faults.join('; ')}). ` +
      `Install it (Debian: apt-get install ${packages}), or name the file in LPR_MPI_LIBRARY`,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.split('\n')[0]! : String(error);
}

/** @param handle the C type of a communicator, type or operation */
function functionsOf(library: LibraryHandle, handle: string): MpiFunctions {
  const declare = <Arguments extends readonly unknown[]>(name: string, parameters: string): Call<Arguments> =>
    library.func(`int MPI_${name}(${parameters})`) as Call<Arguments>;
  const [h, p] = [handle, 'void *'];
  return {
    initThread: declare('Init_thread', `${p} count, ${p} values, int wanted, ${p} given`),
    finalize: declare('Finalize', ''),
    abort: declare('Abort', `${h} c, int code`),
    rank: declare('Comm_rank', `${h} c, ${p} rank`),
    size: declare('Comm_size', `${h} c, ${p} size`),
    splitType: declare('Comm_split_type', `${h} c, int type, int key, ${h} info, ${p} made`),
    duplicate: declare('Comm_dup', `${h} c, ${p} made`),
    test: declare('Test', `${p} request, ${p} flag, ${p} status`),
    ibarrier: declare('Ibarrier', `${h} c, ${p} request`),
    ibcast: declare('Ibcast', `${p} data, int count, ${h} type, int root, ${h} c, ${p} request`),
    ialltoallv: declare(
      'Ialltoallv',
      `${p} send, ${p} sent, ${p} from, ${h} a, ${p} receive, ${p} received, ${p} to, ${h} b, ${h} c, ${p} request`,
    ),
    iallgather: declare(
      'Iallgather',
      `${p} send, int sent, ${h} a, ${p} receive, int received, ${h} b, ${h} c, ${p} request`,
    ),
    iallgatherv: declare(
      'Iallgatherv',
      `${p} send, int sent, ${h} a, ${p} receive, ${p} received, ${p} to, ${h} b, ${h} c, ${p} request`,
    ),
    iallreduce: declare('Iallreduce', `${p} send, ${p} receive, int count, ${h} type, ${h} op, ${h} c, ${p} request`),
  };
}
