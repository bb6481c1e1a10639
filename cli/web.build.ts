/** Builds the web app in the folder named by its argument, if its sources have changed, and says whether it had to. */
import { buildWeb } from '@aether/ui/build.ts';

try {
  console.log((await buildWeb(process.argv[2] as string)) ? 'built' : 'up to date');
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
