import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showRefusal } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, Checkbox, SegmentedControl, Text } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import parts from '../parts/parts.module.css';
import { useMe } from '../shell/person.ts';
import { FileSettings } from './FileSettings.tsx';
import classes from './imports.module.css';
import { JobProgress } from './JobProgress.tsx';
import { askPlan, type isBeingRead, jobQuery, severalQuery } from './queries.ts';

const route = getRouteApi('/imports/new');
const overwritable = ['name', 'phone', 'company', 'tier', 'owner', 'language', 'timezone'];

/** What was recognised in files, what their columns mean, and the questions that only a person can answer. */
export function MappingPage() {
  const { files, job } = route.useSearch();
  const navigate = route.useNavigate();
  const { isAdmin } = useMe();
  const { data, error, refetch } = useQuery(severalQuery(files));
  const [app, setApp] = useState('foundation');
  const [overwrite, setOverwrite] = useState<string[]>([]);
  const [again, setAgain] = useState(false);
  const planning = useMutation({
    mutationFn: () => askPlan({ app, files: files.split(',').map(Number), overwrite, again }),
    onSuccess: (made) => void navigate({ to: '/imports/new', search: { files, job: made.job }, replace: true }),
    onError: (problem) => showRefusal('Nothing was planned', problem),
  });
  const gone = data && data.files.filter(({ state }) => state !== 'removed').length === 0;
  const isReadable = data?.files.every(({ state }) => state === 'recognised') ?? false;
  const hasPeople = data?.files.some(({ recognition }) => recognition?.holds === 'people') ?? false;
  return (
    <>
      <PageHead title="A new import" />
      <div className={parts.page}>
        <p>
          <Link to="/imports">All imports</Link>
        </p>
        {error && <ErrorNotice title="The files could not be read" error={error} onRetry={refetch} />}
        {!data && !error && files !== '' && <Waiting />}
        {(files === '' || gone) && (
          <Nothing title="There is no file" action={<Link to="/imports">To the imports</Link>}>
            It was removed, or the address is not whole.
          </Nothing>
        )}
        {job !== undefined && <Planning job={job} />}
        {data?.files.map((file) => (
          <FileSettings
            key={`${file.id} ${file.recognition ? file.state : ''}`}
            file={file}
            fields={data.fields}
            isLocked={!isAdmin}
          />
        ))}
        {data && !gone && isAdmin && (
          <section aria-label="Plan">
            <h2 className={parts.title}>Plan</h2>
            <Text size="sm" mb={8} c="dimmed">
              The plan says what would happen to each line. It changes nothing that an app sees.
            </Text>
            <Text size="sm" fw={550} mb={4}>
              They become customers of
            </Text>
            <SegmentedControl
              aria-label="Whose customers these become"
              value={app}
              onChange={setApp}
              data={[
                { value: 'foundation', label: 'Foundation' },
                { value: 'support', label: 'Support' },
              ]}
              mb={12}
            />
            <Checkbox.Group
              label="Where a customer has another value, the file decides for"
              value={overwrite}
              onChange={setOverwrite}
              mb={16}
            >
              <div className={classes.actions}>
                {overwritable.map((field) => (
                  <Checkbox key={field} value={field} label={field === 'timezone' ? 'time zone' : field} />
                ))}
              </div>
            </Checkbox.Group>
            <Checkbox
              label="Compare lines again that have not changed since they were imported"
              description="For what had no place here then, such as a custom field that was made since."
              checked={again}
              onChange={({ currentTarget }) => setAgain(currentTarget.checked)}
              mb={16}
            />
            <Button
              onClick={() => planning.mutate()}
              loading={planning.isPending}
              disabled={!isReadable || !hasPeople || data.files.some(isUnread)}
            >
              Plan the import
            </Button>
            {isReadable && !hasPeople && (
              <Text size="sm" mt={8}>
                None of these files holds people: companies and users only complete a list of people. Add that list to
                them.
              </Text>
            )}
          </section>
        )}
      </div>
    </>
  );
}

const isUnread = (file: Parameters<typeof isBeingRead>[0]) => file.state === 'stored';

/** The plan that is being made; the page of its run follows. */
function Planning({ job: id }: { job: number }) {
  const navigate = route.useNavigate();
  const { data: job } = useQuery(jobQuery(id));
  const run = job?.state === 'done' ? job.run : null;
  useEffect(() => {
    if (run) void navigate({ to: '/imports/$run', params: { run }, replace: true });
  }, [run, navigate]);
  if (!job) return <Waiting lines={2} />;
  return (
    <section aria-label="The plan is being made">
      <JobProgress job={job} />
    </section>
  );
}
