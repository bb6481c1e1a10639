/** `npm run azure`: writes the alert rules that Azure deploys. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeAlerts } from './bicep.ts';

await writeFile(join(import.meta.dirname, 'alerts.bicep'), describeAlerts());
