import { listOptions } from '@aether/ui/lists.ts';
import { read } from '@aether/ui/request.ts';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import type { InferResponseType } from 'hono/client';
import { reports } from './clients.ts';

export type ReportFilters = { widget?: string; agent?: string };
/** Days of a time zone. */
export type Asked = ReportFilters & { from: string; to: string; zone: string };

const options = { placeholderData: keepPreviousData, staleTime: 15_000 } as const;

export const chatReportQuery = (asked: Asked) =>
  queryOptions({
    ...options,
    queryKey: ['reports', 'chats', asked],
    queryFn: ({ signal }) => read(reports.chats.$get({ query: asked }, { init: { signal } })),
  });
export const hourReportQuery = (asked: Asked) =>
  queryOptions({
    ...options,
    queryKey: ['reports', 'hours', asked],
    queryFn: ({ signal }) => read(reports.hours.$get({ query: asked }, { init: { signal } })),
  });
export const commentsQuery = (asked: Asked) =>
  listOptions(['reports', 'comments', asked] as const, (cursor, signal) =>
    read(reports.comments.$get({ query: { ...asked, cursor, limit: '20' } }, { init: { signal } })),
  );

export const outcomes = ['answered', 'missed', 'bot', 'open', 'resolved', 'rated'] as const;
export type Outcome = (typeof outcomes)[number];
export type ListFilters = Asked & { unassigned?: true; outcome?: Outcome; score?: number; hour?: number };

export const reportedQuery = ({ unassigned, score, hour, ...asked }: ListFilters) =>
  listOptions(['reports', 'conversations', { unassigned, score, hour, ...asked }] as const, (cursor, signal) =>
    read(
      reports.conversations.$get(
        {
          query: {
            ...asked,
            ...(unassigned && { unassigned: 'true' as const }),
            score: score?.toString(),
            hour: hour?.toString(),
            cursor,
            limit: '50',
          },
        },
        { init: { signal } },
      ),
    ),
  );

export type ChatReport = InferResponseType<typeof reports.chats.$get, 200>;
export type ChatFigures = ChatReport['total'];
export type HourReport = InferResponseType<typeof reports.hours.$get, 200>;
