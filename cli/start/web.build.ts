/** `npm run build`: builds the web apps and the widget if their sources have changed, and prints whether it did. */
import { resolve } from 'node:path';
import { buildWidget } from '@aether/support/widget';
import { buildWeb } from '@aether/ui/build.ts';
import { endFailed } from '../exitcodes.ts';

try {
  let isBuilt = await buildWidget();
  for (const folder of process.argv.slice(2)) isBuilt = (await buildWeb(resolve(folder))) || isBuilt;
  console.log(isBuilt ? 'built' : 'up to date');
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  endFailed();
}
