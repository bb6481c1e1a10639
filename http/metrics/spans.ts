import type { PlatformDb } from '@aether/platform';
import type { AnsweredRequest } from '../serving/app.ts';
import { codeOf } from './codes.ts';
import type { LabelKey, Labels } from './names.ts';

/*
 * Spans are written when the work has ended, from what the middleware and platformDb measure. The trace is the one that the house has anyway:
 * the span of a request has the id of the traceparent that the request's events carry, so that what is found in Azure is found in the log
 * of events, and the other way round. The span of a transaction is below that of its request; the span of a handler is below that of the
 * request whose event it handles, whichever process runs it. No span holds a statement, a path, a key or a value.
 */

/** Work that has ended, in a trace. */
export type EndedSpan = {
  kind: 'server' | 'client' | 'consumer';
  /** Of labels only: `GET /api/customers/:id`. */
  name: (labels: Record<string, string>) => string;
  /** The traceparent that others name as their parent; without one the span gets an id of its own. */
  own?: string | undefined;
  /** The traceparent of what asked for it. */
  parent?: string | undefined;
  /** In milliseconds since 1970. */
  startedAt: number;
  ms: number;
  hasFailed: boolean;
  labels: Labels;
};

export type Spans = {
  record(span: EndedSpan): void;
  /** Settles within three seconds, also if what is to be sent cannot be. */
  close(): Promise<void>;
};

/** The labels of spans; their values are bounded as those of the metrics are. */
export const spanLabels: readonly LabelKey[] = [
  'aether.app',
  'aether.subscription',
  'error.type',
  'http.request.method',
  'http.response.status_code',
  'http.route',
];

/** Writes a span for each request of an app, but for the probes. */
export function traceRequests(spans: Spans, app: string): (request: AnsweredRequest) => void {
  return ({ method, route = '', status, seconds, isProbe, trace, caller }) => {
    if (isProbe) return;
    const ms = seconds * 1_000;
    spans.record({
      kind: 'server',
      name: (labels) => `${labels['http.request.method']} ${labels['http.route'] || 'without a route'}`,
      own: trace,
      parent: caller,
      startedAt: Date.now() - ms,
      ms,
      hasFailed: status >= 500,
      labels: {
        'aether.app': app,
        'http.request.method': method,
        'http.route': route,
        'http.response.status_code': status,
      },
    });
  };
}

/** Writes a span for each transaction of a request and each handler of an event. @returns ends it. */
export function traceWork(spans: Spans, db: PlatformDb): () => void {
  return db.watchWork(({ kind, name, trace, startedAt, ms, error }) =>
    spans.record({
      kind: kind === 'handler' ? 'consumer' : 'client',
      name: (labels) => (kind === 'handler' ? (labels['aether.subscription'] as string) : 'transaction'),
      parent: trace,
      startedAt,
      ms,
      hasFailed: error !== undefined,
      labels: {
        'aether.app': db.app,
        ...(kind === 'handler' && { 'aether.subscription': name }),
        ...(error !== undefined && { 'error.type': codeOf(error) }),
      },
    }),
  );
}

/**
 * Whether a trace is sent: the caller may have said no (the last bit of the traceparent), and of the others so many in a hundred are. Every
 * process answers the same for one trace, so that a trace is whole. Pure.
 */
export function isSampled(traceparent: string, percent: number): boolean {
  const isWanted = (Number.parseInt(traceparent.slice(53, 55), 16) & 1) === 1;
  return isWanted && Number.parseInt(traceparent.slice(22, 35), 16) / 16 ** 13 < percent / 100;
}
