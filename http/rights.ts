import type { MiddlewareHandler } from 'hono';
import { refuseNonAdmin, refuseNonSteward, refuseReader } from './actor.ts';
import { allows, type Caller } from './caller.ts';
import { Problem } from './problem.ts';
import type { Scope } from './scopes.ts';

/**
 * The callers that may use a route of staff. A scope: every person of staff, and a machine whose token has that scope.
 * `person`: every person of staff, but no machine; of readers only what changes nothing, see `readers` of `createStaffRoute`. `steward`: data stewards and administrators, but no machine. `administrator`:
 * administrators, but no machine.
 */
export type Right = Scope | PersonalRight;

/** The rights that only people have, whatever the scopes of a machine's token. */
export const personalRights = ['person', 'steward', 'administrator'] as const;
type PersonalRight = (typeof personalRights)[number];

export const isPersonal = (right: string): right is PersonalRight =>
  (personalRights as readonly string[]).includes(right);

/** Lets in only callers that have the right. A machine may do nothing that its token does not name. */
export function requireRight(right: Right): MiddlewareHandler {
  return async (c, next) => {
    checkRight(c.get('caller') as Caller, right);
    await next();
  };
}

/** Which people may use a route that a scope opens to machines; without it every person of staff. */
export type People = 'steward' | 'administrator';

/** Lets in a machine that has the scope of the route, and of the people only these. */
export function requirePeople(people: People): MiddlewareHandler {
  return async (c, next) => {
    const { actor } = c.get('caller') as Caller;
    if (actor) checkRole(actor.role, people);
    await next();
  };
}

/** Refuses readers, with any token. */
export const refuseReaders: MiddlewareHandler = async (c, next) => {
  if ((c.get('caller') as Caller).actor?.role === 'reader') throw refuseReader();
  await next();
};

/** What an answer to a write shows to a caller that may not read: which record it was, its version, and whether it was done before. */
const shownUnread = /^(id|version|address_id|phone_id|already_[a-z]+)$/;

/**
 * Takes out of an answer what the caller may not read: a scope to write does not read. With `deals.write` alone, the answer to a write has
 * only the record's id and version.
 *
 * @param needs members of the answer that need a scope of their own: a deal's answer may show the tier of its customer.
 */
export function withholdUnread(right: Right, needs: Readonly<Record<string, Scope>> = {}): MiddlewareHandler {
  const reading = right.replace(/\.write$/, '.read');
  return async (c, next) => {
    await next();
    const caller = c.get('caller') as Caller;
    const { status, headers } = c.res;
    if (caller.scopes === undefined || !c.res.ok || !headers.get('content-type')?.startsWith('application/json'))
      return;
    const mayRead = allows(caller, reading);
    const withheld = Object.keys(needs).filter((member) => !allows(caller, needs[member] as Scope));
    if (mayRead && withheld.length === 0) return;
    const answer = (await c.res.json()) as Record<string, unknown>;
    const shown = Object.entries(answer).filter(
      ([member]) => !withheld.includes(member) && (mayRead || shownUnread.test(member)),
    );
    c.res = new Response(JSON.stringify(Object.fromEntries(shown)), { status, headers });
  };
}

/** @throws Problem 403 */
export function checkRight(caller: Caller, right: Right): void {
  if (!isPersonal(right)) {
    if (!allows(caller, right)) throw refuseScope(right);
    return;
  }
  if (caller.scopes !== undefined) throw refuseMachine();
  checkRole(caller.actor?.role, right);
}

function checkRole(role: string | undefined, right: PersonalRight): void {
  if (right === 'administrator' && role !== 'admin') throw refuseNonAdmin();
  if (right === 'steward' && role !== 'admin' && role !== 'steward') throw refuseNonSteward();
}

/** 403: the token lacks this scope. */
export function refuseScope(scope: string): Problem {
  return new Problem({
    status: 403,
    code: 'token-lacks-scope',
    detail: `This needs an access token with the scope ${scope}. Have it granted, and get a new token.`,
    headers: { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
  });
}

function refuseMachine(): Problem {
  return new Problem({
    status: 403,
    code: 'person-only',
    detail: 'Only a person who has signed in may do this. No scope allows it to a machine.',
  });
}

const notes: Record<PersonalRight, string> = {
  person:
    'For people of staff: with a sign-in (cookie, and `X-CSRF-Token` for what changes something) or a person’s access token. No scope allows it to a machine.',
  steward:
    'For data stewards and administrators: with a sign-in (cookie, and `X-CSRF-Token` for what changes something) or a person’s access token. No scope allows it to a machine.',
  administrator:
    'For administrators: with a sign-in (cookie, and `X-CSRF-Token` for what changes something) or a person’s access token. No scope allows it to a machine.',
};

const peopleWords: Record<People, string> = {
  steward: 'data stewards and administrators',
  administrator: 'administrators',
};

/** The right in words, for the OpenAPI document. */
export function describeRight(right: Right, people?: People, changes = false): string {
  return changes && right !== 'steward' && right !== 'administrator'
    ? `${describeCallers(right, people)} Readers are refused.`
    : describeCallers(right, people);
}

function describeCallers(right: Right, people?: People): string {
  if (isPersonal(right)) return notes[right];
  const withheld = right.endsWith('.write')
    ? ` The scope does not read: without \`${right.replace(/\.write$/, '.read')}\` the answer has only the record’s id and version.`
    : '';
  return `For ${people ? peopleWords[people] : 'staff'}: with a sign-in (cookie, and \`X-CSRF-Token\` for what changes something) or a person’s access token. For machines: with an access token that has the scope \`${right}\`.${withheld}`;
}
