/** @lpr/mpi/browser: what of this package runs without a file system. */
export { type Channel, type Communicator, type Numbers, partOf } from './communicator.ts';
