import { Button } from '@mantine/core';
import { useSyncExternalStore } from 'react';
import classes from './NewVersion.module.css';
import { reloadPage } from './reload.ts';
import { version } from './version.ts';

export const useOutdated = () => useSyncExternalStore(version.subscribe, version.get);

/** Offers to load the page again when a newer build is installed. Drafts and what waits to be sent outlive that. */
export function NewVersion({ isShort = false }: { isShort?: boolean }) {
  const isOutdated = useOutdated();
  const reload = () => void reloadPage();
  if (!isOutdated) return null;
  if (isShort)
    return (
      <Button variant="light" size="compact-sm" onClick={reload} title="A new version is here. What you typed is kept.">
        New version: reload
      </Button>
    );
  return (
    <div className={classes.offer} role="status" data-new-version title="What you typed is kept.">
      <span className={classes.words}>A new version is here.</span>
      <Button variant="light" onClick={reload}>
        Reload
      </Button>
    </div>
  );
}
