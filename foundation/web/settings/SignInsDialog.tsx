import { formatAgo, formatMoment } from '@aether/ui/formats.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, Modal, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { SignIn, StaffUser } from '../api/records.ts';
import { endSignIns, signInsQuery } from '../api/settings.ts';
import { nameBrowser } from './browsers.ts';
import classes from './settings.module.css';

/** A person's sign-ins to Foundation. An administrator may end them, for example after a laptop is lost, together with all sign-ins to the other apps. */
export function SignInsDialog({ user, onClose }: { user: StaffUser; onClose: () => void }) {
  const client = useQueryClient();
  const { data, error, refetch } = useQuery(signInsQuery(user.id));
  const ending = useMutation({
    mutationFn: (signIn: SignIn | undefined) => endSignIns(user.id, signIn?.id),
    onSuccess: ({ ended }) => {
      showDone(ended === 1 ? 'One sign-in has ended.' : `${ended} sign-ins have ended.`);
      return client.invalidateQueries({ queryKey: ['sign-ins', user.id] });
    },
    onError: (refusal) => showRefusal('The sign-in was not ended', refusal),
  });
  const open = data?.sign_ins ?? [];
  return (
    <Modal opened onClose={onClose} title={`Where ${user.name} is signed in to Foundation`} size="lg">
      {error && <ErrorNotice title="The sign-ins could not be loaded" error={error} onRetry={refetch} />}
      {!data && !error && <Waiting lines={3} />}
      {data && open.length === 0 && <Text size="sm">Nowhere at the moment.</Text>}
      {data && (
        <>
          <ul className={classes.list}>
            {open.map((signIn) => (
              <li key={signIn.id} className={classes.row}>
                <span className={classes.name}>
                  {nameBrowser(signIn.agent)}
                  <div className={classes.detail} title={formatMoment(signIn.last_seen_at)}>
                    Signed in {formatMoment(signIn.created_at)}, last seen {formatAgo(signIn.last_seen_at)}
                  </div>
                </span>
                <Button variant="default" disabled={ending.isPending} onClick={() => ending.mutate(signIn)}>
                  End
                </Button>
              </li>
            ))}
          </ul>
          <Button
            mt="md"
            color="red"
            variant="light"
            loading={ending.isPending}
            onClick={() => ending.mutate(undefined)}
          >
            Sign out everywhere
          </Button>
          <Text size="xs" c="dimmed" mt="xs">
            “Sign out everywhere” also ends sign-ins to Support. The browser notices with its next request. Access
            tokens go on until they expire.
          </Text>
        </>
      )}
    </Modal>
  );
}
