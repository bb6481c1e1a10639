import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Alert, Button, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { MergeList } from '../merges/MergeList.tsx';
import { mergesOfQuery } from '../merges/queries.ts';
import { LookAgain } from '../parts/LookAgain.tsx';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import { useUtc } from '../times/zone.ts';
import { Changes } from './Changes.tsx';
import classes from './customer.module.css';
import { type AsOf, asOfQuery } from './queries.ts';
import { sayValue } from './values.ts';

const route = getRouteApi('/customers/$id');
const hourMs = 3_600_000;
const steps = [
  { label: 'An hour ago', ms: hourMs },
  { label: 'Yesterday', ms: 24 * hourMs },
  { label: 'A week ago', ms: 7 * 24 * hourMs },
  { label: 'A month ago', ms: 30 * 24 * hourMs },
];

/** A customer as of a moment, both apps' fields, with what has changed since. */
export function CustomerPage() {
  const { id } = route.useParams();
  const { at } = route.useSearch();
  const navigate = route.useNavigate();
  const { data, error, refetch, isPlaceholderData } = useQuery(asOfQuery(id, at));
  const isUtc = useUtc();
  const { apps, isSteward } = useMe();
  const { data: merged } = useQuery(mergesOfQuery(id));
  const go = (next: string | undefined) =>
    void navigate({ to: '/customers/$id', params: { id }, search: next ? { at: next } : {} });
  return (
    <>
      <PageHead
        title={data?.state === 'there' ? String(data.customer?.name) : 'Customer'}
        detail={
          at ? (
            <>
              as of <When at={at} as="moment" />
            </>
          ) : (
            'as it is now'
          )
        }
      >
        <LookAgain refetch={refetch} />
        {apps.foundation && (
          <Button component="a" href={`${apps.foundation}/customers/${id}`} variant="subtle">
            In Foundation
          </Button>
        )}
        {apps.support && (
          <Button component="a" href={`${apps.support}/customers/${id}`} variant="subtle">
            In Support
          </Button>
        )}
        {isSteward && data?.state === 'there' && (
          <Button component="a" href={`/merges/new?survivor=${data.subjectId}`} variant="subtle">
            Merge…
          </Button>
        )}
        <Button component={Link} to="/customers" variant="subtle">
          Find another
        </Button>
      </PageHead>
      <div className={classes.page} aria-busy={isPlaceholderData}>
        <div className={classes.bar}>
          <TextInput
            type="datetime-local"
            label={isUtc ? 'Moment (UTC)' : 'Moment'}
            step={1}
            value={at ? toLocal(at, isUtc) : ''}
            onChange={({ currentTarget: { value } }) => go(fromLocal(value, isUtc))}
          />
          <Button variant={at ? 'default' : 'light'} onClick={() => go(undefined)}>
            Now
          </Button>
          {steps.map(({ label, ms }) => (
            <Button key={label} variant="default" onClick={() => go(new Date(Date.now() - ms).toISOString())}>
              {label}
            </Button>
          ))}
        </div>
        {error && <ErrorNotice title="The customer could not be read" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data && <Moment moment={data} id={id} onMoment={go} />}
        {merged && merged.merges.length > 0 && (
          <section aria-label="Merges">
            <h2 className={classes.title}>Merges</h2>
            <MergeList merges={merged.merges} />
          </section>
        )}
      </div>
    </>
  );
}

type MomentProps = { moment: AsOf; id: string; onMoment: (at: string) => void };

function Moment({ moment, id, onMoment }: MomentProps) {
  const { state, customer, subjectId, mergedInto } = moment;
  return (
    <>
      {mergedInto && (
        <Alert color="blue" mb="sm">
          {subjectId === id
            ? 'This customer was merged into another one later. '
            : 'At this moment the id already meant the customer that it was merged into. '}
          <Link to="/customers/$id" params={{ id: mergedInto }}>
            The customer that goes on
          </Link>
        </Alert>
      )}
      {state === 'erased' && <Nothing title="This customer was erased">Nothing of it is shown, at no moment.</Nothing>}
      {state === 'not yet' && (
        <Nothing title="There was no such customer yet">It was made later: see what changed since.</Nothing>
      )}
      {state === 'unknown' && (
        <Nothing title="Nobody knows any more">
          The history does not reach so far back, or the customer was merged or taken apart since.{' '}
          {moment.wholeSince && (
            <>
              Everything is known from <When at={moment.wholeSince} as="moment" /> on.
            </>
          )}
        </Nothing>
      )}
      {state === 'there' && customer && (
        <>
          {moment.knowledge === 'partly' && moment.wholeSince && (
            <Alert color="yellow" mb="sm">
              Only the fields that the history keeps are known of this time. Everything is known from{' '}
              <When at={moment.wholeSince} as="moment" /> on.
            </Alert>
          )}
          <Facts moment={moment} customer={customer} />
        </>
      )}
      {state !== 'erased' && <Changes moment={moment} onMoment={onMoment} />}
    </>
  );
}

const labels: Record<string, string> = {
  name: 'Name',
  email: 'Address',
  phone: 'Telephone',
  company_id: 'Company',
  crm_id: 'Number of Foundation',
  account_tier: 'Tier',
  account_manager_id: 'Account manager',
  support_id: 'Number of Support',
  preferred_language: 'Language',
  timezone: 'Time zone',
  created_by_app: 'Made by',
};

function Facts({ moment, customer }: { moment: AsOf; customer: Record<string, unknown> }) {
  const open = moment.deals.filter(({ status }) => status === 'open');
  const going = moment.sessions.filter(({ status }) => status === 'active');
  return (
    <div className={classes.columns}>
      <section aria-label="Fields">
        <h2 className={classes.title}>
          Fields{moment.version !== null && <span className={classes.quiet}> version {moment.version}</span>}
        </h2>
        <dl className={classes.fields}>
          {Object.entries(labels).flatMap(([field, label]) =>
            field in customer
              ? [
                  <dt key={`${field} label`}>{label}</dt>,
                  <dd key={field}>{sayValue(field, customer[field], moment.names)}</dd>,
                ]
              : [],
          )}
        </dl>
      </section>
      <section aria-label="Addresses and numbers">
        <h2 className={classes.title}>Addresses and numbers</h2>
        <ul className={classes.list}>
          {moment.addresses.map((row) => (
            <li key={String(row.id ?? row.email)}>
              {sayValue('email', row.email, moment.names)}{' '}
              <span className={classes.quiet}>
                {[row.is_primary && 'primary', row.verified_at ? 'verified' : 'not verified']
                  .filter(Boolean)
                  .join(', ')}
              </span>
            </li>
          ))}
          {moment.phones.map((row) => (
            <li key={String(row.id)}>
              {String(row.phone)} {row.is_primary === true && <span className={classes.quiet}>primary</span>}
            </li>
          ))}
        </ul>
      </section>
      <section aria-label="In the apps">
        <h2 className={classes.title}>In the apps</h2>
        {moment.hidden.data ? (
          <p className={classes.quiet}>Deals, custom values and conversations are shown to administrators.</p>
        ) : (
          <ul className={classes.list}>
            {open.map((deal) => (
              <li key={String(deal.id)}>
                {String(deal.name)}{' '}
                <span className={classes.quiet}>
                  {Number(deal.amount).toLocaleString('en')} {String(deal.currency)},{' '}
                  {moment.names.stages[String(deal.stage_id)]}
                </span>
              </li>
            ))}
            {moment.values.map((row) => (
              <li key={String(row.id)}>
                {String(row.field_label)}: {String(row.value)}
              </li>
            ))}
            <li>
              {open.length} open deals, {going.length} of {moment.sessions.length} conversations open
            </li>
          </ul>
        )}
      </section>
    </div>
  );
}

/** The value of a datetime input, in the zone in which times are shown. */
function toLocal(at: string, isUtc: boolean): string {
  const date = new Date(at);
  const shifted = isUtc ? date : new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 19);
}

function fromLocal(value: string, isUtc: boolean): string | undefined {
  const date = new Date(isUtc ? `${value}Z` : value);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
