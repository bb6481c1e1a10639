import { readAllPages } from '@aether/ui/lists.ts';
import { read } from '@aether/ui/request.ts';
import { queryOptions } from '@tanstack/react-query';
import { customFields, signIns, users, views } from './clients.ts';
import type { CustomField, CustomFieldInput, FieldRecord, Holdings, StaffUser, View, ViewPage } from './records.ts';

/** Everybody on the staff: choices, names and the settings show all of them. */
export const usersQuery = queryOptions({
  queryKey: ['users'],
  queryFn: ({ signal }) =>
    readAllPages(
      (cursor) => read(users.$get({ query: { limit: '1000', cursor } }, { init: { signal } })),
      ({ users }) => users,
    ).then((users) => ({ users })),
  staleTime: 60_000,
});

export const changeRole = (id: string, role: StaffUser['role']) =>
  read(users[':id'].$patch({ param: { id }, json: { role } }));

/** What somebody has that can be handed over. */
export const holdingsQuery = (userId: string) =>
  queryOptions({
    queryKey: ['holdings', userId],
    queryFn: ({ signal }) => read(users[':id'].holdings.$get({ param: { id: userId } }, { init: { signal } })),
    gcTime: 0,
  });

/**
 * Enters that somebody left, and hands over what they have. A call of the server does a part: it is called until nothing is left over.
 *
 * @param onPart told after each call how much is left over
 */
export async function leaveUser(id: string, to: string | undefined, onPart: (leftOver: Holdings) => void = () => {}) {
  const handedOver: Holdings = none();
  for (;;) {
    const done = await read(users[':id'].leave.$post({ param: { id }, json: { ...(to && { hand_over_to: to }) } }));
    addHoldings(handedOver, done.handed_over);
    onPart(done.left_over);
    // What cannot be handed over stays: a call that has changed nothing is the last one.
    if (countAll(done.left_over) === 0 || countAll(done.handed_over) === 0)
      return { handedOver, leftOver: done.left_over };
  }
}

/** Enters that somebody is back, and gives back what others still have of theirs. */
export async function returnUser(id: string, give_back: boolean) {
  const givenBack: Holdings = none();
  const kept: Holdings = none();
  for (;;) {
    const done = await read(users[':id'].return.$post({ param: { id }, json: { give_back } }));
    addHoldings(givenBack, done.given_back);
    addHoldings(kept, done.kept);
    if (done.is_done) return { givenBack, kept };
  }
}

function addHoldings(sum: Holdings, more: Holdings): void {
  for (const kind of Object.keys(sum) as (keyof Holdings)[]) sum[kind] += more[kind];
}

const none = (): Holdings => ({ customers: 0, companies: 0, deals: 0, tasks: 0, views: 0 });

export const countAll = (holdings: Holdings): number => Object.values(holdings).reduce((sum, count) => sum + count, 0);

/** The sign-ins of a user; for administrators. */
export const signInsQuery = (userId: string) =>
  queryOptions({
    queryKey: ['sign-ins', userId],
    queryFn: ({ signal }) => read(signIns[':id']['sign-ins'].$get({ param: { id: userId } }, { init: { signal } })),
  });

/** Ends one sign-in of a user, or all of them. */
export const endSignIns = (userId: string, sign_in_id?: string) =>
  read(signIns[':id']['sign-ins'].end.$post({ param: { id: userId }, json: { sign_in_id } }));

export const customFieldsQuery = (record: FieldRecord) =>
  queryOptions({
    queryKey: ['custom-fields', record],
    queryFn: ({ signal }) => read(customFields.$get({ query: { record } }, { init: { signal } })),
    staleTime: 60_000,
  });

const keyOf = (id: number) => ({ param: { id: String(id) } });

export const createCustomField = (json: CustomFieldInput) => read(customFields.$post({ json }));

type CustomFieldChange = Partial<Pick<CustomField, 'label' | 'choices' | 'is_required' | 'position'>>;
export const changeCustomField = (id: number, json: CustomFieldChange) =>
  read(customFields[':id'].$patch({ ...keyOf(id), json }));

/** The number of values that are removed with a field. */
export const countCustomValues = (id: number) =>
  read(customFields[':id'].$delete({ ...keyOf(id), query: { dry_run: 'true' } }));

/** Removes the field with all its values. */
export const deleteCustomField = (id: number) => read(customFields[':id'].$delete({ ...keyOf(id), query: {} }));

export const viewsQuery = (page: ViewPage) =>
  queryOptions({
    queryKey: ['views', page],
    queryFn: ({ signal }) => read(views.$get({ query: { page } }, { init: { signal } })),
    staleTime: 60_000,
  });

export const createView = (json: Pick<View, 'page' | 'name' | 'query' | 'is_shared'>) => read(views.$post({ json }));

export const changeView = (id: number, json: Partial<Pick<View, 'name' | 'query' | 'is_shared'>>) =>
  read(views[':id'].$patch({ ...keyOf(id), json }));

export const deleteView = (id: number) => read(views[':id'].$delete(keyOf(id)));
