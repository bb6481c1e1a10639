import { Drawer } from '@mantine/core';
import type { ReactNode } from 'react';
import classes from './Shell.module.css';

type NavigationDrawerProps = { opened: boolean; title: ReactNode; onClose: () => void; children: ReactNode };

/** The navigation over a narrow screen. */
export function NavigationDrawer({ opened, title, onClose, children }: NavigationDrawerProps) {
  return (
    <Drawer opened={opened} onClose={onClose} size={260} title={title} classNames={{ body: classes.drawer }}>
      {children}
    </Drawer>
  );
}
