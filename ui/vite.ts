import react from '@vitejs/plugin-react';
import type { InlineConfig } from 'vite';

/**
 * The configuration of Vite for the web app in `root`, for its build and its development server. The build puts everything into
 * dist/assets under a name with a hash, so that it may be cached for ever. Nothing is inlined, because the page's
 * Content-Security-Policy forbids it.
 */
export function describeWeb(root: string): InlineConfig {
  return {
    root,
    plugins: [react()],
    css: { transformer: 'lightningcss' },
    build: {
      target: 'es2023',
      outDir: 'dist',
      emptyOutDir: true,
      reportCompressedSize: false, // nobody reads it, and it takes a tenth of the build
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      chunkSizeWarningLimit: 700,
    },
    server: {
      proxy: Object.fromEntries(
        ['/api', '/signin'].map((path) => [path, process.env.FOUNDATION_URL ?? 'http://localhost:4100']),
      ),
    },
  };
}
