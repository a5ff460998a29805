import { isolated } from '../../scripts/vitest.mjs';

export default { test: { ...isolated.test, globalSetup: ['test/built.ts'] } };
