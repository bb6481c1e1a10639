import { Link } from '@tanstack/react-router';
import { memo } from 'react';
import type { Check } from '../api/health.ts';
import { When } from '../times/When.tsx';
import classes from './health.module.css';
import { findPlace } from './mending.ts';
import { nameCheck } from './names.ts';
import { StatusMark } from './statuses.tsx';

/** Checks, one a line: state, subject and reason, since when, and where to go on. */
export function CheckList({ checks }: { checks: Check[] }) {
  return (
    <ul className={classes.checks}>
      {checks.map((check) => (
        <CheckLine key={check.slug} check={check} />
      ))}
    </ul>
  );
}

/** Most are the same each time the page asks again. */
const CheckLine = memo(function CheckLine({ check }: { check: Check }) {
  return (
    <li className={classes.check} data-slug={check.slug}>
      <StatusMark status={check.status} />
      <div className={classes.what}>
        <b>{nameCheck(check)}</b>
        <span className={classes.reason}>{check.reason}</span>
      </div>
      <span className={classes.since}>
        for <When at={check.since} as="length" />
      </span>
      <Ways check={check} />
    </li>
  );
});

function Ways({ check }: { check: Check }) {
  const place = findPlace(check);
  return (
    <span className={classes.ways}>
      {place && (
        <Link to={place.to} aria-label={`${place.label}, for ${nameCheck(check)}`}>
          {place.label}
        </Link>
      )}
      <Link to="/runbooks/$kind" params={{ kind: check.runbook }} aria-label={`What to do about ${nameCheck(check)}`}>
        What to do
      </Link>
    </span>
  );
}
