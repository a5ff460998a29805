/** Settings of the test runner, the same for every package. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** SwiftShader, a Vulkan driver that runs on the CPU, where Debian's package chromium-common puts it. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * Test files run side by side, one a core; a worker loads the modules under test once and goes through many files.
 *
 * Tests of WebGPU run on SwiftShader where it is installed, so that they give the same anywhere; VK_DRIVER_FILES names
 * another driver. Without either, WebGPU is what the machine has, or its tests are skipped.
 */
export const settings = {
  test: {
    env: existsSync(SWIFTSHADER) && !process.env.VK_DRIVER_FILES ? { VK_DRIVER_FILES: SWIFTSHADER } : {},
    maxWorkers: '100%',
    isolate: false,
    setupFiles: [join(import.meta.dirname, 'vitest-setup.mjs')],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A second, its default, is too short for a busy machine.
    expect: { poll: { timeout: 30_000 } },
  },
};

/** For packages whose tests change what all modules of a process share: each file has a process of its own. */
export const isolated = { test: { ...settings.test, isolate: true } };
