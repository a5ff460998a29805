import { settings } from '../scripts/vitest.mjs';

export default { test: { ...settings.test, globalSetup: ['compiled-trainer.ts'] } };
