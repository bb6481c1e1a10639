import { runServer } from '@aether/http';
import { startFoundation } from './index.ts';

await runServer(startFoundation);
