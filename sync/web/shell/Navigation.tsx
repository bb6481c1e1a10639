import classes from '@aether/ui/Navigation.module.css';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { OpenAlerts } from '../alerts/OpenAlerts.tsx';
import { healthQuery } from '../api/health.ts';
import { StatusMark } from '../health/statuses.tsx';
import { places } from './places.ts';

/** The places; beside Health the worst state of any check, on every page. */
export function Navigation() {
  const { data, isError } = useQuery(healthQuery);
  const worst = isError ? 'unknown' : data?.worst;
  return (
    <nav aria-label="Main">
      {places.map(({ to, label, icon: Icon }) => (
        <Link key={to} to={to} className={classes.place}>
          <Icon size={17} stroke={1.7} />
          {label}
          {to === '/alerts' && <OpenAlerts />}
          {to === '/health' && worst && worst !== 'ok' && (
            <span style={{ display: 'inline-flex', marginInlineStart: 'auto', fontSize: '0.75rem' }}>
              <StatusMark status={worst} />
            </span>
          )}
        </Link>
      ))}
    </nav>
  );
}
