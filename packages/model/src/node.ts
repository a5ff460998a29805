/** @lpr/model/node: checkpoint folders on a disk. */
export * from './hugging-face.ts';
export { foreignToTransformers, saveForTransformers } from './transformers.ts';
export { safetensorsPieces, SafetensorsFile } from './safetensors/file.ts';
