export { isolated as default } from '../../scripts/vitest.mjs';
