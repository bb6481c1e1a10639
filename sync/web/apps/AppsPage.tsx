import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { type AppStatus, appsQuery } from '../api/apps.ts';
import styles from '../consumers/consumers.module.css';
import { Command } from '../parts/Command.tsx';
import classes from '../parts/parts.module.css';
import { AppSection } from './AppSection.tsx';
import { houseApps } from './oddities.ts';

const route = getRouteApi('/apps');

/** The apps on this database, those of others first: what each may do and see, whether it is heard of, and what is missing. */
export function AppsPage() {
  const { app } = route.useSearch();
  const { data, error, refetch } = useQuery(appsQuery);
  const isHouse = (name: string) => houseApps.includes(name);
  const apps = data?.apps.filter(({ name }) => app === undefined || name === app);
  const others = apps?.filter(({ name }) => !isHouse(name)) ?? [];
  const sectionOf = (each: AppStatus) => data && <AppSection key={each.name} app={each} madeFor={data.made_for} />;
  return (
    <>
      <PageHead title="Apps" detail={app ?? 'on this database'} />
      <div className={classes.page}>
        <LastChanged kind="app" at="/changes" />
        {app && (
          <p>
            <Link to="/apps">All apps</Link>
          </p>
        )}
        {error && (
          <ErrorNotice
            title={data ? 'What follows is old' : 'The apps could not be read'}
            error={error}
            onRetry={refetch}
          />
        )}
        {!data && !error && <Waiting />}
        {data && apps?.length === 0 && (
          <Nothing title={`No app is called ${app}`}>A consumer on the bus or a sender may be called so.</Nothing>
        )}
        {data && !app && others.length === 0 && (
          <p>Only the apps of the house are here. Others find below how they are added.</p>
        )}
        {others.map(sectionOf)}
        {data && !app && <HowToAdd />}
        {apps?.filter(({ name }) => isHouse(name)).map(sectionOf)}
      </div>
    </>
  );
}

/** There is no button for it: it takes the right to make logins, which no server of the house has. */
function HowToAdd() {
  return (
    <section aria-label="How an app is added" className={styles.consumer}>
      <h2 className={styles.name}>How an app is added</h2>
      <p>
        By command, because it makes a login and its password: that takes the administrator of the database server, who
        the console is not. The command writes the address of the login to a file that only you may read.
      </p>
      <Command text="npx aether app add billing --to billing.env --types platform.d.ts" />
      <p>Then its machine at the identity provider, for HTTP; what it is told of deals; and its end.</p>
      <Command text="npx aether app client billing <client id> --scopes customers.read,events.read" />
      <Command text="npx aether app events billing deal.closed,deal.reopened --amounts" />
      <Command text="npx aether app remove billing" />
    </section>
  );
}
