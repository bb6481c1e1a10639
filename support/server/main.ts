import { runServer } from '@aether/http';
import { startSupport } from './index.ts';

await runServer(startSupport);
