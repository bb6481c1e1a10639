import { Link } from '@tanstack/react-router';
import classes from './privacy.module.css';

const pages = [
  { to: '/privacy', label: 'Find a person' },
  { to: '/privacy/lists', label: 'Lists' },
  { to: '/privacy/receipts', label: 'Receipts' },
  { to: '/privacy/holds', label: 'Holds' },
  { to: '/privacy/kept-away', label: 'Kept away' },
  { to: '/privacy/retention', label: 'Retention' },
] as const;

/** The pages of privacy. */
export function PrivacyNavigation() {
  return (
    <nav className={classes.pages} aria-label="Privacy">
      {pages.map(({ to, label }) => (
        <Link key={to} to={to} activeOptions={{ exact: to === '/privacy' }} activeProps={{ 'aria-current': 'page' }}>
          {label}
        </Link>
      ))}
    </nav>
  );
}
