import { showAddress } from '@aether/platform/noaddress';
import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { formatAgo } from '@aether/ui/formats.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { Picker } from '@aether/ui/Picker.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Avatar, Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { StaffUser } from '../api/records.ts';
import { changeRole, usersQuery } from '../api/settings.ts';
import { useMe } from '../shell/person.ts';
import { AdminOnly } from './AdminOnly.tsx';
import { LeaveDialog, ReturnDialog } from './Departures.tsx';
import { SignInsDialog } from './SignInsDialog.tsx';
import classes from './settings.module.css';

/** The staff, and their roles. Only administrators may change the settings. */
export function UsersPage() {
  const { data, error, refetch } = useQuery(usersQuery);
  const former = data?.users.filter(({ left_at }) => left_at !== null) ?? [];
  return (
    <AdminOnly>
      <PageHead title="Users" />
      <div className={classes.page}>
        <p className={classes.intro}>
          People appear here when they sign in for the first time. Administrators change pipelines, custom fields and
          roles. Data stewards merge customers and take merges apart; readers see everything and change nothing;
          everybody else works with the records. Whoever leaves is entered here: their access ends, and what they have
          is handed over.
        </p>
        <LastChanged kind="user" />
        {error && <ErrorNotice title="The users could not be loaded" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        <ul className={classes.list}>
          {data?.users
            .filter(({ left_at }) => left_at === null)
            .map((user) => (
              <UserRow key={user.id} user={user} />
            ))}
        </ul>
        {former.length > 0 && (
          <>
            <h2 className={classes.title}>Left</h2>
            <ul className={classes.list}>
              {former.map((user) => (
                <FormerRow key={user.id} user={user} />
              ))}
            </ul>
          </>
        )}
      </div>
    </AdminOnly>
  );
}

const roles = [
  { value: 'user', label: 'Staff', named: 'staff' },
  { value: 'steward', label: 'Data steward', named: 'a data steward' },
  { value: 'admin', label: 'Administrator', named: 'an administrator' },
  { value: 'reader', label: 'Reader', named: 'a reader' },
];
const nameRole = (role: string) => roles.find(({ value }) => value === role)?.named;

function UserRow({ user }: { user: StaffUser }) {
  const client = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const [isLeaving, setLeaving] = useState(false);
  const me = useMe();
  const save = async (role: StaffUser['role']) => {
    await changeRole(user.id, role);
    await Promise.all(['users', 'me'].map((key) => client.invalidateQueries({ queryKey: [key] })));
  };
  const change = useMutation({
    mutationFn: save,
    onSuccess: (_, role) =>
      showUndo({ message: `${user.name} is ${nameRole(role)} now.`, undo: () => save(user.role) }),
    onError: (error) => showRefusal('The role was not changed', error),
  });
  return (
    <li className={classes.row}>
      <Avatar size={28} name={user.name} color="iris" />
      <span className={classes.name}>
        {user.name}
        <div className={classes.detail}>{showAddress(user.email)}</div>
      </span>
      <span className={classes.detail}>
        {user.last_signed_in ? `Signed in ${formatAgo(user.last_signed_in)}` : 'Never signed in'}
      </span>
      <Button variant="default" onClick={() => setAsking(true)} aria-label={`Sign-ins of ${user.name}`}>
        Sign-ins
      </Button>
      {isAsking && <SignInsDialog user={user} onClose={() => setAsking(false)} />}
      <Picker
        aria-label={`Role of ${user.name}`}
        w={140}
        disabled={change.isPending}
        data={roles.map(({ value, label }) => ({ value, label }))}
        value={change.isPending ? change.variables : user.role}
        onChange={(role) => role && role !== user.role && change.mutate(role as StaffUser['role'])}
      />
      <Button
        variant="subtle"
        color="gray"
        disabled={me.id === user.id}
        onClick={() => setLeaving(true)}
        aria-label={`Enter that ${user.name} left`}
      >
        Left…
      </Button>
      {isLeaving && <LeaveDialog user={user} onClose={() => setLeaving(false)} />}
    </li>
  );
}

function FormerRow({ user }: { user: StaffUser }) {
  const [asked, setAsked] = useState<'more' | 'back'>();
  return (
    <li className={classes.row}>
      <Avatar size={28} name={user.name} color="gray" />
      <span className={classes.name}>
        {user.name}
        <div className={classes.detail}>{showAddress(user.email)}</div>
      </span>
      <span className={classes.detail}>Left {formatAgo(user.left_at ?? '')}</span>
      <Button variant="default" onClick={() => setAsked('more')} aria-label={`Hand over what ${user.name} has`}>
        Hand over…
      </Button>
      <Button variant="default" onClick={() => setAsked('back')} aria-label={`Enter that ${user.name} is back`}>
        Is back…
      </Button>
      {asked === 'more' && <LeaveDialog user={user} onClose={() => setAsked(undefined)} />}
      {asked === 'back' && <ReturnDialog user={user} onClose={() => setAsked(undefined)} />}
    </li>
  );
}
