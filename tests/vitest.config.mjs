import { isolated } from '../scripts/vitest.mjs';

export default { test: { ...isolated.test, globalSetup: ['compiled-trainer.ts'] } };
