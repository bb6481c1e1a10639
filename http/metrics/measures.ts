import type { PlatformDb } from '@aether/platform';
import type { AnsweredRequest } from '../serving/app.ts';
import { countLongAnswers } from '../serving/longanswer.ts';
import { codeOf } from './codes.ts';
import type { Metrics } from './metrics.ts';

/** Publishes the requests of an app. */
export function measureRequests(metrics: Metrics, app: string): (request: AnsweredRequest) => void {
  return ({ method, route = '', status, seconds }) =>
    metrics.record('httpRequests', seconds, {
      'aether.app': app,
      'http.request.method': method,
      'http.route': route,
      'http.response.status_code': status,
    });
}

/** Publishes the open streams of a server. @param closing the signal that ends them. @returns ends it. */
export function measureStreams(metrics: Metrics, app: string, closing: AbortSignal): () => void {
  return metrics.observe('streams', (tell) => tell(countLongAnswers(closing), { 'aether.app': app }));
}

/** Publishes what platformDb does: its pool, queries, lookups, cache, subscriptions and feed. @returns ends it. */
export function measurePlatform(metrics: Metrics, db: PlatformDb): () => void {
  const app = { 'aether.app': db.app };
  const pool = { 'db.client.connection.pool.name': db.app };
  const endings = [
    db.watchQueries((seconds, error) => metrics.record('queries', seconds, { ...app, 'error.type': codeOf(error) })),
    metrics.observe('poolMax', (tell) => tell(db.poolState().max, pool)),
    metrics.observe('poolWaiting', (tell) => tell(db.poolState().waiting, pool)),
    metrics.observe('poolConnections', (tell) => {
      const { inUse, idle } = db.poolState();
      tell(inUse, { ...pool, 'db.client.connection.state': 'used' });
      tell(idle, { ...pool, 'db.client.connection.state': 'idle' });
    }),
    metrics.observe('lookups', (tell) => tell(db.lookupCounts.asked, app)),
    metrics.observe('lookupQueries', (tell) => tell(db.lookupCounts.queries, app)),
    metrics.observe('cacheLookups', (tell) => {
      const state = db.cacheState();
      if (!state) return;
      tell(state.hits, { ...app, 'aether.lookup.result': 'hit' });
      tell(state.misses, { ...app, 'aether.lookup.result': 'miss' });
    }),
    metrics.observe('reads', (tell) => {
      const state = db.replicaState();
      if (!state) return;
      tell(state.answered, { ...app, 'aether.read.place': 'replica' });
      for (const [reason, reads] of Object.entries(state.fellBack))
        tell(reads, { ...app, 'aether.read.place': 'primary', 'aether.read.reason': reason });
    }),
    metrics.observe('replicaAge', (tell) => {
      const age = db.replicaState()?.ageMs;
      if (age !== undefined) tell(age / 1_000, app);
    }),
    metrics.observe('feedLive', (tell) => {
      const state = db.events.feedState();
      if (state !== 'idle') tell(state === 'live' ? 1 : 0, app); // nobody follows: there is no feed to judge
    }),
    db.events.watch((happening) => {
      if (happening.kind === 'feed.rewound') return;
      const labels = { ...app, 'aether.subscription': happening.subscription };
      if (happening.kind === 'events.handled') metrics.record('eventsHandled', happening.events, labels);
      if (happening.kind !== 'event.parked') return;
      metrics.record('eventsParked', 1, labels);
      if (happening.isDead) metrics.record('eventsDead', 1, labels);
    }),
  ];
  return () => {
    for (const end of endings) end();
  };
}
