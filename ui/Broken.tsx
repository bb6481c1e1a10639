import { type ErrorComponentProps, useRouter } from '@tanstack/react-router';
import { ErrorNotice } from './Notice.tsx';

/** Shown in place of a page that failed to load or draw. */
export function Broken({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  // What the route needs is loaded again too: drawing alone would only meet the same error.
  const retry = () => void router.invalidate().then(reset);
  return <ErrorNotice title="This page could not be shown" error={error} onRetry={retry} />;
}
