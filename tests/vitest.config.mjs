export { withWebGpu as default } from '../scripts/vitest.mjs';
