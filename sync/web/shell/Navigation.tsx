import classes from '@aether/ui/Navigation.module.css';
import { Link } from '@tanstack/react-router';
import { places } from './places.ts';

export function Navigation() {
  return (
    <nav aria-label="Main">
      {places.map(({ to, label, icon: Icon }) => (
        <Link key={to} to={to} className={classes.place}>
          <Icon size={17} stroke={1.7} />
          {label}
        </Link>
      ))}
    </nav>
  );
}
