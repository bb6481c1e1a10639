import { Alert } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useMe } from '../shell/person.ts';
import classes from './settings.module.css';

type ReadOnlyProps = { what: string; children: ReactNode };

/** A part that only administrators change. Others see it, with the reason why they cannot change it. The server checks by itself. */
export function ReadOnly({ what, children }: ReadOnlyProps) {
  const { isAdmin } = useMe();
  return (
    <div>
      {!isAdmin && (
        <Alert color="gray" icon={<IconLock size={17} />} title="You can look, and not change" mb="md" p="sm">
          {`Only administrators change ${what}. Ask one of them for a change here, or to make you one in Foundation’s settings.`}
        </Alert>
      )}
      <fieldset className={classes.fieldset} disabled={!isAdmin}>
        {children}
      </fieldset>
    </div>
  );
}
