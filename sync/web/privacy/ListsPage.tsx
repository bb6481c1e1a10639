import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { StewardOnly } from '../merges/StewardOnly.tsx';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import { countRefused, type Job, jobsQuery, sayJob } from './jobs.ts';
import { ListForm } from './ListForm.tsx';
import { PrivacyNavigation } from './PrivacyNavigation.tsx';
import classes from './privacy.module.css';

/** Lists of people that are erased as one job: a new one, and those before. */
export function ListsPage() {
  const { isSteward } = useMe();
  const { data, error, refetch } = useQuery({ ...jobsQuery, enabled: isSteward });
  return (
    <StewardOnly does="look at lists of people to erase">
      <PageHead title="Privacy" detail="lists of people to erase" />
      <div className={classes.page}>
        <PrivacyNavigation />
        <ListForm />
        <h2 className={classes.title}>Lists before</h2>
        {error && <ErrorNotice title="The lists could not be read" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data?.jobs.length === 0 && (
          <Nothing title="No list was erased yet">
            A list is one job. What became of each line can be downloaded.
          </Nothing>
        )}
        {data && data.jobs.length > 0 && (
          <ul className={classes.list} aria-label="Lists before">
            {data.jobs.map((job) => (
              <li key={job.id} className={classes.rule}>
                <div className={classes.what}>
                  <Link to="/privacy/lists/$id" params={{ id: job.id }}>
                    {job.reason}
                  </Link>
                  <span className={classes.quiet}>{sayCounts(job)}</span>
                </div>
                <div className={classes.kept}>
                  <Tag tone={sayJob(job).tone}>{sayJob(job).words}</Tag>
                  <span className={classes.quiet}>
                    {job.begun_by_name ?? job.begun_by} <When at={job.begun_at} />
                  </span>
                </div>
              </li>
            ))}
          </ul>
        )}
      </div>
    </StewardOnly>
  );
}

function sayCounts(job: Job): string {
  const counts: [number, string][] = [
    [job.erased, 'erased'],
    [job.asked, 'asked for'],
    [countRefused(job), 'refused'],
    [job.open, 'open'],
  ];
  return `${job.people.toLocaleString('en')} lines: ${counts
    .filter(([count]) => count > 0)
    .map(([count, words]) => `${count.toLocaleString('en')} ${words}`)
    .join(', ')}`;
}
