import { drawApp } from '@aether/ui/app.tsx';
import { client } from '@aether/ui/client.ts';
import { refreshByEvents } from './api/live.ts';
import { router } from './router.tsx';

refreshByEvents(client);
drawApp(router);
