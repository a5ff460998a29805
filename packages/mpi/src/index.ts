/** @lpr/mpi: processes that compute together, over MPI or within one process. Node only. */
export { type Channel, type Communicator, type Numbers, partOf } from './communicator.ts';
export { inProcess } from './in-process.ts';
export { isLaunchedByMpi } from './launch.ts';
export { openCommunicator } from './open.ts';
export { MpiError } from './errors.ts';
export { broadcastText } from './text.ts';
