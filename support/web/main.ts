import { drawApp } from '@aether/ui/app.tsx';
import { client } from '@aether/ui/client.ts';
import { refreshByEvents } from './api/refresh.ts';
import { pruneDrafts } from './conversation/drafts.ts';
import { router } from './router.tsx';

refreshByEvents(client);
drawApp(router);
pruneDrafts(localStorage); // last: it throws where storage is forbidden, and the console must appear even there
