import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import react from '@vitejs/plugin-react';
import type { InlineConfig, Plugin } from 'vite';
import { readPages } from './pages.ts';

/**
 * The configuration of Vite for the web app in `root`, for its build and its development server. The build puts everything into
 * dist/assets under a name with a hash, so that it may be cached for ever. Nothing is inlined, because the page's
 * Content-Security-Policy forbids it.
 */
export function describeWeb(root: string): InlineConfig {
  return {
    root,
    plugins: [react(), loadParts, explainFailure, listPages(root)],
    css: { transformer: 'lightningcss' },
    build: {
      target: 'es2023',
      outDir: 'dist',
      emptyOutDir: true,
      reportCompressedSize: false, // nobody reads it, and it takes a tenth of the build
      assetsInlineLimit: 0,
      modulePreload: {
        polyfill: false,
        // Vite leaves out a script that imports nothing: it has to be on its own list, so that it is fetched too.
        resolveDependencies: (file, files, { hostType }) =>
          hostType === 'js' && !files.includes(file) ? [file, ...files] : files,
      },
      chunkSizeWarningLimit: 700,
      rolldownOptions: {
        // What every page loads is one file, and not one for each set of pages that also has it: those were fifty, most with less than a kilobyte.
        output: { codeSplitting: { groups: [{ name: 'start', tags: ['$initial'] }] } },
      },
    },
    server: {
      proxy: Object.fromEntries(
        ['/api', '/signin'].map((path) => [path, process.env.FOUNDATION_URL ?? 'http://localhost:4100']),
      ),
    },
  };
}

/** Every dynamic import of the app loads its part by ui/parts/files.ts: Vite's own helper gives up at the first failure. */
const loadParts: Plugin = {
  name: 'aether:parts',
  enforce: 'pre',
  apply: 'build',
  load: {
    filter: { id: /^\0vite\/preload-helper\.js$/ },
    handler: () =>
      `export { loadPart as __vitePreload } from ${JSON.stringify(join(import.meta.dirname, 'parts', 'files.ts'))};`,
  },
};

/** Adds what the page shows if its own scripts or styles do not arrive. */
const explainFailure: Plugin = {
  name: 'aether:unloaded',
  apply: 'build',
  transformIndexHtml(html) {
    const [head = '', body = ''] = readFileSync(join(import.meta.dirname, 'parts', 'unloaded.html'), 'utf8').split(
      '<!-- body -->\n',
    );
    return html
      .replace('<title>', `${head.trim()}\n    <title>`)
      .replace(
        '<div id="root"></div>',
        `<div id="root"></div>\n    ${body.replace(/ *<!-- biome-ignore.*-->\n/, '').trim()}`,
      );
  },
};

/** Writes pages.json, from which the server knows at which addresses there is a page. */
const listPages = (root: string): Plugin => ({
  name: 'aether:pages',
  apply: 'build',
  generateBundle() {
    const pages = readPages(readFileSync(join(root, 'router.tsx'), 'utf8'));
    this.emitFile({ type: 'asset', fileName: 'pages.json', source: JSON.stringify(pages) });
  },
});
