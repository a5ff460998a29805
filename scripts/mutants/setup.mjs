/**
 * Runs before each file of tests of a mutant, after Stryker's own. A loop that has no end is found by how often its
 * mutant is reached: Stryker waits for a hundred times what all tests took without it, which is minutes in a hot loop.
 */
const SHARE = 1 / 20;

const stryker = globalThis.__stryker__;
if (stryker?.hitLimit !== undefined) stryker.hitLimit = Math.max(1000, Math.ceil(stryker.hitLimit * SHARE));
