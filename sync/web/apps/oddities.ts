import type { AppStatus } from '../api/apps.ts';
import type { Check, Status } from '../api/health.ts';
import { subscriptionOf, type Webhook, webhookOf } from '../api/webhooks.ts';

/** Where an oddity is mended. */
export type Mend =
  | { to: '/subscriptions/$name' | '/webhooks/$name'; name: string }
  | { to: '/consumers' }
  | { to: '/webhooks'; app: string }
  | { to: '/runbooks/$kind'; kind: string };

/** What is missing or odd about an app, in words, with the page or the command that mends it. */
export type Oddity = { status: Status; words: string; mend?: Mend; command?: string };

export type Known = {
  app: Pick<AppStatus, 'name' | 'logins' | 'machines' | 'processes' | 'seen_at' | 'made_for' | 'subscriptions'>;
  /** The migration that the console is made for. */
  madeFor: number;
  webhooks: Pick<Webhook, 'name'>[];
  isConsumer: boolean;
  checks: Pick<Check, 'slug' | 'kind' | 'status' | 'reason' | 'runbook'>[];
};

export const houseApps: readonly string[] = ['foundation', 'support', 'console'];

/** A login that has opened so much of its limit soon gets no connection. */
const nearlyAll = 0.9;

/** What is missing or odd about an app: first what the house itself knows, then what its checks say. Pure. */
export function findOddities({ app, madeFor, webhooks, isConsumer, checks }: Known): Oddity[] {
  const { name, logins, machines, processes, subscriptions } = app;
  const isThird = !houseApps.includes(name);
  const found: Oddity[] = [];
  if (logins.length === 0)
    found.push({
      status: 'failing',
      words: 'It has no login: it is out of service.',
      command: isThird ? `npx aether app add ${name} --to ${name}.env` : 'npx aether migrate bootstrap --to logins.env',
    });
  for (const { name: login, connections, connections_max: max } of logins)
    if (max !== null && connections >= max * nearlyAll)
      found.push({
        status: connections >= max ? 'failing' : 'warning',
        words: `${connections} of the ${max} connections of ${login} are open: ${connections >= max ? 'it gets' : 'soon it gets'} no more.`,
        mend: { to: '/runbooks/$kind', kind: 'pool' },
      });
  if (app.made_for !== null && app.made_for < madeFor)
    found.push({
      status: 'warning',
      words: `One of its processes has an older @aether/platform: it is made for migration ${app.made_for}, the console for ${madeFor}.`,
      mend: { to: '/runbooks/$kind', kind: 'process' },
    });
  const isFollowing = subscriptions.length > 0 || webhooks.length > 0 || isConsumer || machines.length > 0;
  if (isThird && logins.length > 0 && !isFollowing)
    found.push({
      status: 'warning',
      words: 'It is told of no events: it has no subscription, no webhook, no consumer on the bus and no machine.',
      mend: { to: '/webhooks', app: name },
    });
  if (subscriptions.length > 0 && processes.live === 0 && processes.silent === 0)
    found.push({
      status: 'unknown',
      words: 'It has subscriptions, and no process of it reports.',
      mend: { to: '/runbooks/$kind', kind: 'process' },
    });
  for (const { client, scopes } of machines)
    if (scopes.length === 0 && logins.length > 0)
      found.push({
        status: 'warning',
        words: `Its machine ${client} may do nothing.`,
        command: `npx aether app client ${name} ${client} --scopes customers.read,events.read`,
      });
  return [...found, ...findFailing(app, webhooks, checks)];
}

/** When an app was last heard of: by a process that reports, by what it has written, or by its other ways in. Pure. */
export function findLast(
  { seen_at, wrote_at }: Pick<AppStatus, 'seen_at' | 'wrote_at'>,
  others: (string | null)[],
): string | undefined {
  const known = [seen_at, wrote_at, ...others].filter((at) => at !== null);
  return known.toSorted((one, other) => Date.parse(other) - Date.parse(one))[0];
}

/** The words for an app that has reported nothing. An app that only reads, by SQL or HTTP, never reports, and that is no fault. Pure. */
export function sayUnheard({ logins, machines }: Pick<AppStatus, 'logins' | 'machines'>): string {
  if (logins.some(({ connections }) => connections > 0)) return 'its login is connected now';
  if (logins.length === 0 && machines.length === 0) return 'it has no way in';
  return 'it has written nothing of late; what only reads, by SQL or HTTP, does not report';
}

/** The checks of an app and of its ways in that are not well. */
function findFailing(
  { name, subscriptions }: Known['app'],
  webhooks: Known['webhooks'],
  checks: Known['checks'],
): Oddity[] {
  const ofApp = new Set([
    ...['process', 'pool', 'feed', 'cache', 'clock', 'certificate', 'replica', 'sign-in', 'mail', 'consumer'].map(
      (kind) => `${kind}:${name}`,
    ),
    ...subscriptions.map((each) => `subscription:${each}`),
    ...webhooks.flatMap((each) => [`webhook:${each.name}`, `subscription:${subscriptionOf(each.name)}`]),
  ]);
  return checks
    .filter(({ slug, status }) => ofApp.has(slug) && status !== 'ok')
    .map(({ slug, kind, status, reason, runbook }) => {
      const subject = slug.slice(slug.indexOf(':') + 1);
      const words = subject === name ? reason : `${subject}: ${reason}`;
      return { status, words, mend: mendOf(kind, subject, runbook) };
    });
}

function mendOf(kind: string, subject: string, runbook: string): Mend {
  if (kind === 'webhook') return { to: '/webhooks/$name', name: subject };
  if (kind === 'consumer') return { to: '/consumers' };
  if (kind !== 'subscription') return { to: '/runbooks/$kind', kind: runbook };
  const webhook = webhookOf(subject);
  return webhook === undefined
    ? { to: '/subscriptions/$name', name: subject }
    : { to: '/webhooks/$name', name: webhook };
}
