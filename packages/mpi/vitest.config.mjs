export { settings as default } from '../../scripts/vitest.mjs';
