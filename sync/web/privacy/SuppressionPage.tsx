import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showDone } from '@aether/ui/toasts.tsx';
import { Button, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { StewardOnly } from '../merges/StewardOnly.tsx';
import { ReasonDialog } from '../parts/ReasonDialog.tsx';
import { useMe } from '../shell/person.ts';
import { PrivacyNavigation } from './PrivacyNavigation.tsx';
import classes from './privacy.module.css';
import { findSuppression, liftSuppression } from './queries.ts';

/** Whether an address or a number is kept away, and the way back for a person who wants to. */
export function SuppressionPage() {
  const [who, setWho] = useState('');
  const [isLifting, setIsLifting] = useState(false);
  const { isAdmin } = useMe();
  const { data, error, isPending, variables: asked = '', mutate: find } = useMutation({ mutationFn: findSuppression });
  return (
    <StewardOnly does="see who is kept away">
      <PageHead title="Privacy" detail="who is kept away" />
      <div className={classes.page}>
        <PrivacyNavigation />
        <p className={classes.quiet}>
          Addresses and numbers of erased persons are kept as keyed hashes, so that no import, chat or replay brings
          anybody back. Nobody can read the list; it answers about one address or number.
        </p>
        <form
          className={classes.finding}
          onSubmit={(event) => {
            event.preventDefault();
            if (who.trim() !== '') find(who.trim());
          }}
        >
          <TextInput
            label="Address or number"
            leftSection={<IconSearch size={15} />}
            value={who}
            autoFocus
            autoComplete="off"
            maxLength={300}
            onChange={({ currentTarget }) => setWho(currentTarget.value)}
          />
          <Button type="submit" loading={isPending} disabled={who.trim() === ''}>
            Ask
          </Button>
        </form>
        {error && <ErrorNotice title="It could not be asked" error={error} onRetry={() => find(asked)} />}
        {data && (
          <section aria-label="Answer" className={classes.head}>
            <p className={classes.name} role="status">
              {data.suppressed ? 'It is kept away: a person who had it was erased.' : 'It is not kept away.'}
            </p>
            {data.suppressed && isAdmin && (
              <Button variant="default" onClick={() => setIsLifting(true)}>
                Let it come back…
              </Button>
            )}
          </section>
        )}
        {isLifting && (
          <ReasonDialog
            title="Let it come back"
            verb="Let it come back"
            act={(reason) => liftSuppression(asked, reason)}
            onDone={() => {
              setIsLifting(false);
              find(asked);
              showDone('It may come back. What was erased stays erased.');
            }}
            onClose={() => setIsLifting(false)}
          >
            For a person who comes back by themself. The reason is kept, and must not name them.
          </ReasonDialog>
        )}
      </div>
    </StewardOnly>
  );
}
