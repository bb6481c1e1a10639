import { Alert, Button, EmptyState, Group } from '@mantine/core';
import { IconAlertCircle } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { describeError } from './refusal.ts';

type ErrorNoticeProps = {
  title: string;
  error: unknown;
  onRetry?: () => void;
  /** Another attempt is on its way. */
  isTrying?: boolean;
  /** More to press, beside "Try again". */
  children?: ReactNode;
};

/** The error, and a button to try again. */
export function ErrorNotice({ title, error, onRetry, isTrying, children }: ErrorNoticeProps) {
  return (
    <Alert color="red" variant="light" title={title} icon={<IconAlertCircle size={18} />} m="md" c="var(--bad)">
      <Group justify="space-between">
        <span>{describeError(error)}</span>
        <Group gap="xs">
          {children}
          {onRetry && (
            <Button variant="default" onClick={onRetry} loading={isTrying}>
              Try again
            </Button>
          )}
        </Group>
      </Group>
    </Alert>
  );
}

/** An empty list: the reason, and the next step. */
export function Nothing({ icon, title, children, action }: NothingProps) {
  return (
    <EmptyState icon={icon} size="sm" p="xl" title={title} description={children}>
      {action && <EmptyState.Actions>{action}</EmptyState.Actions>}
    </EmptyState>
  );
}

type NothingProps = { icon?: ReactNode; title: string; children?: ReactNode; action?: ReactNode };
