/** Settings of the test runner, the same for every package. */
import { existsSync } from 'node:fs';

/** SwiftShader, a Vulkan driver that runs on the CPU, where Debian's package chromium-common puts it. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * Test files run side by side, one a core. Tests of WebGPU run on SwiftShader where it is installed, so that they give
 * the same anywhere; VK_DRIVER_FILES names another driver. Without either, WebGPU is what the machine has, or its tests
 * are skipped.
 */
export const settings = {
  test: {
    env: existsSync(SWIFTSHADER) && !process.env.VK_DRIVER_FILES ? { VK_DRIVER_FILES: SWIFTSHADER } : {},
    maxWorkers: '100%',
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
};
