import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showDone } from '@aether/ui/toasts.tsx';
import { Button, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { StewardOnly } from '../merges/StewardOnly.tsx';
import { ReasonDialog } from '../parts/ReasonDialog.tsx';
import { ErasePanel } from './ErasePanel.tsx';
import { HeldList } from './HeldList.tsx';
import { PrivacyNavigation } from './PrivacyNavigation.tsx';
import classes from './privacy.module.css';
import { downloadExport, findPerson } from './queries.ts';

/** Finds a person by any identifier: everything that is held, where and why, and what may be done about it. */
export function PrivacyPage() {
  const [who, setWho] = useState('');
  const [isExporting, setIsExporting] = useState(false);
  const {
    data: found,
    error,
    isPending,
    variables: asked = '',
    mutate: find,
  } = useMutation({ mutationFn: findPerson });
  const [customer] = found?.customers ?? [];
  return (
    <StewardOnly does="find, export and erase persons">
      <PageHead title="Privacy" detail="what is held about a person" />
      <div className={classes.page}>
        <PrivacyNavigation />
        <form
          className={classes.finding}
          onSubmit={(event) => {
            event.preventDefault();
            if (who.trim() !== '') find(who.trim());
          }}
        >
          <TextInput
            label="Find a person"
            description="By an address, a telephone number, or an id or number; also somebody who is no customer"
            leftSection={<IconSearch size={15} />}
            value={who}
            autoFocus
            autoComplete="off"
            maxLength={300}
            onChange={({ currentTarget }) => setWho(currentTarget.value)}
          />
          <Button type="submit" loading={isPending} disabled={who.trim() === ''}>
            Find
          </Button>
        </form>
        {error && <ErrorNotice title="Nobody was found" error={error} onRetry={() => find(asked)} />}
        {found && !found.person && (
          <section aria-label="Several customers">
            <h2 className={classes.title}>Several customers are meant</h2>
            <ul className={classes.list}>
              {found.customers.map((each) => (
                <li key={each.id}>
                  <button
                    type="button"
                    className={classes.choice}
                    onClick={() => {
                      setWho(each.id);
                      find(each.id);
                    }}
                  >
                    {each.name}
                  </button>{' '}
                  <span className={classes.quiet}>{each.email}</span>
                </li>
              ))}
            </ul>
          </section>
        )}
        {found?.person && (
          <section aria-label="Person">
            <div className={classes.head}>
              <h2 className={classes.name}>
                {customer ? (customer.erased_at ? 'Erased' : customer.name) : 'No customer'}
              </h2>
              {found.held.length > 0 && (
                <Button variant="default" onClick={() => setIsExporting(true)}>
                  Export…
                </Button>
              )}
            </div>
            <dl className={classes.facts}>
              <Fact label="Addresses" values={found.person.emails} />
              <Fact label="Numbers" values={found.person.phones} />
              <Fact label="Merged records" values={found.person.customers.filter((id) => id !== customer?.id)} />
            </dl>
            {found.held.length === 0 ? (
              <Nothing title="Nothing is held">No table has anything of this address, number or id.</Nothing>
            ) : (
              <HeldList held={found.held} />
            )}
            {customer && !customer.erased_at && <ErasePanel customer={customer} />}
          </section>
        )}
        {isExporting && (
          <ReasonDialog
            title="Export what is held"
            verb="Export"
            isOptional
            act={(reason) => downloadExport(customer?.id ?? asked, reason)}
            onDone={(file) => {
              setIsExporting(false);
              showDone(`${file} was given out, and the export is recorded.`);
            }}
            onClose={() => setIsExporting(false)}
          >
            One zip for the person, with a page that they can read. Nobody else is in it. The export is recorded, by
            ids: the reason may be the number of a request, and must not be a name.
          </ReasonDialog>
        )}
      </div>
    </StewardOnly>
  );
}

function Fact({ label, values }: { label: string; values: string[] }) {
  if (values.length === 0) return null;
  return (
    <>
      <dt>{label}</dt>
      <dd>{values.join(', ')}</dd>
    </>
  );
}
