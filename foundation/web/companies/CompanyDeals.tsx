import { formatMoney, formatNumber, formatSums } from '@aether/ui/formats.ts';
import { Tag } from '@aether/ui/Tag.tsx';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { beginOfYear, dealSumsQuery } from '../api/companies.ts';
import { dealsQuery } from '../api/deals.ts';
import type { DealSums } from '../api/records.ts';
import classes from './company.module.css';

/** The page shows this many deals; the list has all of them. */
const shownMax = 5;

/** The deals of a company: the sums of what is open, won and lost, each leading to its deals, and the latest deals. */
export function CompanyDeals({ companyId }: { companyId: string }) {
  const { data: sums } = useQuery(dealSumsQuery(companyId));
  const { data } = useInfiniteQuery(dealsQuery({ company_id: companyId, sort: 'updated', dir: 'desc' }));
  const rows = data?.pages.flatMap(({ deals }) => deals) ?? [];
  return (
    <section className={classes.section} aria-label="Deals">
      <h2 className={classes.title}>Deals</h2>
      {sums && rows.length > 0 && (
        <dl className={classes.sums}>
          <Sum companyId={companyId} status="open" label="Open" of={sums.open} />
          <Sum companyId={companyId} status="won" label="Won" of={sums.won} thisYear={sums.won_since} />
          <Sum companyId={companyId} status="lost" label="Lost" of={sums.lost} />
        </dl>
      )}
      {rows.slice(0, shownMax).map(({ id, name, amount, currency, status, stage_name, customer, contacts = [] }) => (
        <Link key={id} to="/deals/$id" params={{ id: String(id) }} className={classes.item}>
          <span className={classes.itemHead}>
            <span>{name}</span>
            <Tag tone={status === 'won' ? 'good' : status === 'lost' ? 'bad' : 'accent'}>{stage_name}</Tag>
          </span>
          <span className={classes.detail}>
            {formatMoney(amount, currency)} · {customer.name}
          </span>
          {contacts.length > 0 && (
            <span className={classes.detail}>
              with {contacts.map(({ name, role }) => (role ? `${name} (${role})` : name)).join(', ')}
            </span>
          )}
        </Link>
      ))}
      {data && rows.length === 0 && <p className={classes.none}>No deals yet. Create one on a customer’s page.</p>}
      {rows.length > shownMax && (
        <Link to="/deals" search={{ view: 'list', company: companyId }} className={classes.detail}>
          All deals of this company
        </Link>
      )}
    </section>
  );
}

type SumProps = {
  companyId: string;
  status: 'open' | 'won' | 'lost';
  label: string;
  of: DealSums;
  thisYear?: DealSums;
};

function Sum({ companyId, status, label, of: { count, sums }, thisYear }: SumProps) {
  const deals = `${formatNumber(count)} ${count === 1 ? 'deal' : 'deals'}`;
  return (
    <div className={classes.sum}>
      <dt>{label}</dt>
      <dd>
        {count === 0 ? (
          <span className={classes.detail}>none</span>
        ) : (
          <>
            <Link
              to="/deals"
              search={{ view: 'list', company: companyId, status }}
              aria-label={`${label}: ${deals}, ${formatSums(sums)}`}
            >
              {formatSums(sums)}
            </Link>
            <span className={classes.detail}>{deals}</span>
          </>
        )}
        {thisYear && count > 0 && (
          <span className={classes.detail}>
            this year{' '}
            {thisYear.count === 0 ? (
              'none'
            ) : (
              <Link
                to="/deals"
                search={{ view: 'list', company: companyId, status, closed_from: beginOfYear() }}
                aria-label={`${label} this year: ${formatSums(thisYear.sums)} · ${formatNumber(thisYear.count)}`}
              >
                {formatSums(thisYear.sums)} · {formatNumber(thisYear.count)}
              </Link>
            )}
          </span>
        )}
      </dd>
    </div>
  );
}
