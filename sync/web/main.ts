import { drawApp } from '@aether/ui/app.tsx';
import { client } from '@aether/ui/client.ts';
import { refreshByEvents } from './api/live.ts';
import { mendLanguage } from './charts/language.ts';
import { router } from './router.tsx';

mendLanguage(navigator);
refreshByEvents(client);
drawApp(router);
