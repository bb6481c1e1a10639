/** `npm run dashboard`: writes the dashboard that Grafana imports. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeDashboard } from './dashboard.ts';

await writeFile(join(import.meta.dirname, 'aether.json'), `${JSON.stringify(describeDashboard(), null, 2)}\n`);
