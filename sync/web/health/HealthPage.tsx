import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { type Health, healthQuery } from '../api/health.ts';
import { When } from '../times/When.tsx';
import { Charts } from './Charts.tsx';
import { CheckList } from './CheckList.tsx';
import classes from './health.module.css';
import { sayVerdict } from './names.ts';
import { StatusMark } from './statuses.tsx';

const route = getRouteApi('/health');

/** What needs a person now, worst first, or one sentence; then all checks, and the charts. */
export function HealthPage() {
  const { data, error, refetch, dataUpdatedAt } = useQuery(healthQuery);
  const { range = 'hour' } = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <>
      <PageHead
        title="Health"
        detail={
          data && (
            <>
              checked <When at={new Date(dataUpdatedAt).toISOString()} />
            </>
          )
        }
      />
      <div className={classes.page}>
        {error && (
          <ErrorNotice
            title={data ? 'What follows is old' : 'The checks could not be made'}
            error={error}
            onRetry={refetch}
          />
        )}
        {!data && !error && <Waiting />}
        {data && <Checks health={data} />}
        <Charts
          range={range}
          onRange={(next) =>
            void navigate({ to: '/health', search: next === 'hour' ? {} : { range: next }, replace: true })
          }
        />
      </div>
    </>
  );
}

function Checks({ health: { worst, checks } }: { health: Health }) {
  const needed = checks.filter(({ status }) => status !== 'ok');
  const well = checks.filter(({ status }) => status === 'ok');
  return (
    <>
      <p className={classes.verdict} role="status">
        <StatusMark status={worst} />
        <span>{sayVerdict(checks)}</span>
      </p>
      {needed.length > 0 && (
        <section aria-label="What needs you now" className={classes.group}>
          <h2 className={classes.title}>What needs you now</h2>
          <CheckList checks={needed} />
        </section>
      )}
      {well.length > 0 && (
        <details className={classes.group}>
          <summary className={classes.summary}>
            {needed.length === 0 ? 'Every check' : `${well.length} of ${checks.length} are well`}
          </summary>
          <CheckList checks={well} />
        </details>
      )}
    </>
  );
}
