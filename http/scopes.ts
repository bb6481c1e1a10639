/** The name of a right that a token can have: a noun of an app, and whether it is read or written. */
export type Scope = `${string}.${'read' | 'write'}`;

/** What tokens for one app can allow. Each app has its own; nothing here lists the apps. */
export type AppScopes = {
  /** The scopes that the routes of the app require, with their meanings. An identity provider grants them by these names. */
  scopes: Readonly<Record<Scope, string>>;
  /** The scope that reads the record of an event, by entity: the part of the event's type before the dot. */
  ofEvents: Readonly<Record<string, Scope>>;
};

/** The scopes of the events that every app sees. */
export const scopesOfSharedEvents = {
  customer: 'customers.read',
  address: 'customers.read',
  phone: 'customers.read',
  tier: 'customers.read',
  company: 'companies.read',
  user: 'users.read',
} as const satisfies AppScopes['ofEvents'];

/**
 * The scope that an event needs besides `events.read`. Undefined: no scope reads the record of the event, so no machine
 * may see the event. An event that an app publishes itself needs no further scope.
 *
 * @param apps the names of the apps, the rows of platform.apps.
 */
export function scopeOfEvent(
  type: string,
  ofEvents: AppScopes['ofEvents'],
  apps: ReadonlySet<string>,
): Scope | undefined {
  const [entity = ''] = type.split('.');
  return apps.has(entity) ? 'events.read' : ofEvents[entity];
}
