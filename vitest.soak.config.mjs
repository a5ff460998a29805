/** Settings of the tests that take as long as they are given (tests/soak). */
import { settings } from './scripts/vitest.mjs';

const MINUTE = 60_000;

export default {
  test: {
    ...settings.test,
    include: ['tests/*.soak.ts'],
    globalSetup: ['scripts/compiled.ts', 'tests/soak/bundled.ts'],
    // What is under way when the time is over comes to its end.
    testTimeout: (Number(process.env.LPR_SOAK_MINUTES) + 10) * MINUTE,
  },
};
