/** Settings of the test runner for packages whose tests use WebGPU. */
import { existsSync } from 'node:fs';

/** SwiftShader, a Vulkan driver that runs on the CPU, where Debian's package chromium-common puts it. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * Tests run on SwiftShader where it is installed, so that they give the same anywhere; VK_DRIVER_FILES names another
 * driver. Without either, WebGPU is what the machine has, or its tests are skipped.
 */
export const withWebGpu = {
  test: { env: existsSync(SWIFTSHADER) && !process.env.VK_DRIVER_FILES ? { VK_DRIVER_FILES: SWIFTSHADER } : {} },
};
