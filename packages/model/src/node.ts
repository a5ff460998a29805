/** @lpr/model/node: checkpoint folders on a disk. */
export * from './huggingFace.ts';
