import { Link } from '@tanstack/react-router';
import type { Check } from '../api/health.ts';
import { StatusMark } from '../health/statuses.tsx';
import classes from './consumers.module.css';

/** What a check says, and the way to its runbook. */
export function StatusLine({ check, subject }: { check: Check; subject: string }) {
  return (
    <p className={classes.status}>
      <StatusMark status={check.status} />
      <span className={classes.reason}>
        {check.reason}{' '}
        <Link to="/runbooks/$kind" params={{ kind: check.runbook }} aria-label={`What to do about ${subject}`}>
          What to do
        </Link>
      </span>
    </p>
  );
}
