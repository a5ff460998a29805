/** @lpr/model/node: checkpoint folders on a disk. */
export * from './hugging-face.ts';
export { safetensorsPieces, SafetensorsFile } from './safetensors/file.ts';
