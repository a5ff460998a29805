/**
 * Reading and writing where a stranger has put things: files that are files, of a bounded size, read in bounded time.
 * For Node.
 */
export * from './files.ts';
export * from './folders.ts';
export * from './time-limit.ts';
