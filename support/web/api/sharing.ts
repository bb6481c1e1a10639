import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { sharing } from './clients.ts';
import type { Sharing } from './records.ts';

export const sharingQuery = queryOptions({
  queryKey: ['sharing'],
  queryFn: ({ signal }) => read(sharing.$get({}, { init: { signal } })),
});

export const changeSharing = (what: Sharing['what'], readers: Sharing['readers'], expected_version?: number) =>
  read(sharing[':what'].$patch({ param: { what }, json: { readers, expected_version } }));
