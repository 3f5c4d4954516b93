import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// `--mode demo` builds the page with invented drives in place of the app behind it, for development and
// for the page tests. In every other mode `__DEMO__` is the constant false, so that nothing of it is bundled.
export default defineConfig(({ mode }) => ({
  base: './',
  plugins: [svelte()],
  define: { __DEMO__: JSON.stringify(mode === 'demo') },
  // The app's own words lie beside its source, outside of this folder.
  server: { port: 5173, strictPort: true, fs: { allow: ['.', '../src-tauri/words'] } },
  build: {
    outDir: mode === 'demo' ? 'dist-demo' : 'dist',
    target: ['es2022', 'chrome105', 'safari16'],
    // A data: address would need a wider content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { include: ['test/unit/**/*.test.ts'], environment: 'node', reporters: ['default', './test/count.ts'] },
}));
