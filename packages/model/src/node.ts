/** @lpr/model/node: checkpoint folders on a disk. */
export * from './huggingFace.ts';
export { safetensorsPieces, SafetensorsFile } from './safetensors/file.ts';
