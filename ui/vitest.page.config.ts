import { defineConfig } from 'vitest/config';

// The page in a real browser: what `npm run test:page` has built is served on loopback.
export default defineConfig({
  test: {
    include: ['test/page/**/*.page.ts'],
    globalSetup: ['test/page/serve.ts'],
    reporters: ['default', './test/count.ts'],
    // One browser after another: they are big.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
