import { runServer } from '@aether/http';
import { startConsole } from './index.ts';

await runServer(startConsole);
