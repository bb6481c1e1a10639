import type { ErrorComponentProps } from '@tanstack/react-router';
import { ErrorNotice } from './Notice.tsx';

/** Shown in place of a page that failed to load or draw. */
export function Broken({ error, reset }: ErrorComponentProps) {
  return <ErrorNotice title="This page could not be shown" error={error} onRetry={reset} />;
}
