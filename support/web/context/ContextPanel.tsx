import { formatAgo, formatMoment, formatSums } from '@aether/ui/formats.ts';
import { MergedFrom } from '@aether/ui/MergedFrom.tsx';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Alert, Tooltip } from '@mantine/core';
import { IconAlertTriangle, IconShieldCheck, IconShieldQuestion } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { memo, type ReactNode } from 'react';
import { contextQuery } from '../api/context.ts';
import type { Context, Session } from '../api/records.ts';
import { CallList } from '../calls/CallList.tsx';
import { TierTag } from '../desk/TierTag.tsx';
import { useMe } from '../shell/person.ts';
import { Addresses } from './Addresses.tsx';
import { CustomerFields } from './CustomerFields.tsx';
import classes from './context.module.css';
import { Freshness } from './Freshness.tsx';
import { Numbers } from './Numbers.tsx';
import { PastChats } from './PastChats.tsx';
import { Section } from './Section.tsx';
import { TierNote } from './TierNote.tsx';

type ContextPanelProps = { of: 'session' | 'customer'; id: string; session?: Session };

/**
 * The customer beside a conversation: the CRM's data, past conversations, and how fresh all of that is. It does not change with the letters of an
 * answer, which the page draws again for each.
 */
export const ContextPanel = memo(function ContextPanel({ of, id, session }: ContextPanelProps) {
  const { data, error, refetch, isFetching } = useQuery(contextQuery(of, id));
  const { isSteward, apps } = useMe();
  if (!data)
    return error ? (
      <ErrorNotice title="The customer could not be loaded" error={error} onRetry={refetch} />
    ) : (
      <Waiting lines={9} />
    );
  const { customer, company, crm, tier } = data;
  return (
    <div className={classes.panel}>
      <Freshness readAt={data.read_at} isFetching={isFetching} hasFailed={error !== null} onRefresh={refetch} />
      {customer ? (
        <div className={classes.top}>
          <h2 className={classes.name}>
            <Link to="/customers/$id" params={{ id: customer.id }}>
              {customer.name}
            </Link>
            <TierTag tier={customer.account_tier} />
          </h2>
          <Addresses addresses={data.addresses} />
          <Numbers phones={data.phones} />
          <TierNote tier={tier} customerId={customer.id} value={customer.account_tier} />
          {apps.foundation && (
            <p className={classes.elsewhere}>
              <a href={`${apps.foundation}/customers/${customer.id}`}>Timeline and deals in Foundation</a>
            </p>
          )}
          <MergedFrom merges={data.merged_from} consoleUrl={isSteward ? apps.console : undefined} />
        </div>
      ) : (
        <Unknown session={session} />
      )}
      {data.identity && <IdentityLine identity={data.identity} session={session} customerName={customer?.name} />}
      {data.partial && (
        <Alert
          color="yellow"
          icon={<IconAlertTriangle size={17} />}
          title={crm ? 'A part of Foundation’s is missing' : 'Foundation’s part is missing'}
          className={classes.partial}
          c="var(--warn)"
        >
          {data.reason ?? 'It could not be asked.'} What Support itself knows is below.
        </Alert>
      )}
      {customer && (
        <>
          <dl className={classes.facts}>
            <Fact name="Company">{company ? company.name : '—'}</Fact>
            {crm && (
              <>
                <Fact name="Account manager">{crm.account_manager_name ?? 'Nobody'}</Fact>
                <Fact name="Open deals">
                  {crm.open_deals === 0 ? 'None' : `${crm.open_deals} · ${formatSums(crm.open_deals_value)}`}
                  {crm.deals_of_others > 0 && `, has a part in ${crm.deals_of_others} of others`}
                </Fact>
              </>
            )}
            {data.partial && !crm && <Fact name="Deals, manager">Not known at the moment</Fact>}
          </dl>
          <CustomerFields customer={customer} onReload={refetch} />
        </>
      )}
      <Recent context={data} />
      <PastChats sessions={data.sessions.filter((past) => past.id !== id)} isBeside={of === 'session'} />
      {customer && (
        <Section title="Calls">
          <CallList calls={data.calls} none="No calls yet." />
        </Section>
      )}
    </div>
  );
});

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className={classes.fact}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Unknown({ session }: { session: Session | undefined }) {
  return (
    <div className={classes.top}>
      <h2 className={classes.name}>{session?.visitor_name ?? 'Unknown visitor'}</h2>
      <p className={classes.quiet}>
        {session?.visitor_email
          ? `${session.visitor_email} is no customer yet.`
          : 'No address was given: there is no customer to show. Ask for it, and it appears here.'}
      </p>
    </div>
  );
}

/** Whether the visitor's identity is known, and what that means. */
function IdentityLine({ identity, session, customerName }: IdentityLineProps) {
  const typed = session?.visitor_name;
  const isOther = typed && customerName && typed.trim().toLowerCase() !== customerName.trim().toLowerCase();
  if (identity === 'verified')
    return (
      <div className={classes.identity}>
        <Tooltip
          multiline
          w={260}
          label="The website signed this visitor’s identity with the widget’s secret: it is the person behind this address."
          events={{ hover: true, focus: true, touch: true }}
        >
          <span>
            <Tag tone="good">
              <IconShieldCheck size={13} aria-hidden /> Verified
            </Tag>
          </span>
        </Tooltip>
        <span className={classes.quiet}>The website vouches for who this is.</span>
      </div>
    );
  return (
    <div className={classes.identity}>
      <Tag tone="warn">
        <IconShieldQuestion size={13} aria-hidden /> Unverified
      </Tag>
      <span className={classes.quiet}>
        This address was typed, which proves nothing. Tell nothing of the customer that a stranger may not know.
        {isOther && ` They call themselves “${typed}”.`}
      </span>
    </div>
  );
}

type IdentityLineProps = {
  identity: 'claimed' | 'verified';
  session: Session | undefined;
  customerName: string | undefined;
};

const appNames: Record<string, string> = { foundation: 'Foundation', support: 'Support' };

/** Recent activities for this customer, from every app. */
function Recent({ context: { recent, crm } }: { context: Context }) {
  const last = crm?.last_activity;
  if (recent.length === 0 && !last) return null;
  return (
    <Section title="Recent activity">
      <ul className={classes.recent}>
        {recent.length === 0 && last && (
          <li>
            {nameType(last.type)}
            <span className={classes.quiet}>
              {appNames[last.app] ?? last.app}, {formatAgo(last.occurred_at)}
            </span>
          </li>
        )}
        {recent.map(({ type, name, occurred_at, app }) => (
          <li key={`${occurred_at} ${type}`}>
            {nameType(type)}
            <span className={classes.quiet} title={formatMoment(occurred_at)}>
              {name ? `${name} in ` : ''}
              {appNames[app] ?? app}, {formatAgo(occurred_at)}
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** `support_session` → `Support session` */
function nameType(type: string): string {
  const words = type.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
