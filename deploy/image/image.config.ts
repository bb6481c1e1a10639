import { defineConfig } from 'vitest/config';

/** `npm run test:image` builds the image and runs it, which takes minutes and needs buildah. */
export default defineConfig({
  test: {
    include: ['deploy/image/testing.image.ts'],
    globalSetup: ['./database/testing.setup.ts'],
    setupFiles: ['./database/testing.endings.ts'],
    experimental: { viteModuleRunner: false, nodeLoader: false },
    testTimeout: 120_000,
    hookTimeout: 1_800_000,
  },
});
