import { showAddress } from '@aether/platform/noaddress';
import { formatAgo, formatDay, formatMoment, formatNumber, formatSums } from '@aether/ui/formats.ts';
import type { Column } from '@aether/ui/RecordTable.tsx';
import { Link } from '@tanstack/react-router';
import type { CustomerSort } from '../api/customers.ts';
import type { CustomField, ListedCustomer } from '../api/records.ts';
import { TierTag } from '../inputs/TierTag.tsx';
import { showCustomValue } from '../record/values.ts';
import { ListedTags } from './ListedTags.tsx';

export const defaultColumns = ['name', 'email', 'company', 'tier', 'tags', 'manager', 'updated'];

const fixedColumns: Column<ListedCustomer, CustomerSort>[] = [
  {
    key: 'name',
    label: 'Name',
    track: 'minmax(180px, 1.4fr)',
    sort: 'name',
    narrow: 'title',
    render: ({ id, name }) => (
      <Link to="/customers/$id" params={{ id }}>
        {name}
      </Link>
    ),
  },
  {
    key: 'email',
    label: 'E-mail',
    track: 'minmax(200px, 1.6fr)',
    sort: 'email',
    narrow: 'detail',
    render: ({ email }) => <span>{showAddress(email)}</span>,
  },
  {
    key: 'company',
    label: 'Company',
    track: 'minmax(150px, 1.2fr)',
    sort: 'company',
    render: ({ company }) => <span>{company?.name}</span>,
  },
  {
    key: 'tier',
    label: 'Tier',
    track: '110px',
    sort: 'tier',
    narrow: 'detail',
    render: ({ account_tier }) => <TierTag tier={account_tier} />,
  },
  {
    key: 'manager',
    label: 'Account manager',
    track: 'minmax(140px, 1fr)',
    render: ({ account_manager }) => <span>{account_manager?.name}</span>,
  },
  {
    key: 'tags',
    label: 'Tags',
    track: 'minmax(120px, 1fr)',
    render: ({ tags }) => <ListedTags tags={tags} />,
  },
  { key: 'phone', label: 'Phone', track: '150px', render: ({ phone }) => <span>{phone}</span> },
  {
    key: 'crm_id',
    label: 'Number',
    track: '100px',
    align: 'end',
    render: ({ crm_id }) => <span>{crm_id}</span>,
  },
  {
    key: 'app',
    label: 'Came from',
    track: '110px',
    render: ({ created_by_app }) => <span>{created_by_app === 'support' ? 'Support' : 'Foundation'}</span>,
  },
  {
    key: 'language',
    label: 'Language',
    track: '100px',
    render: ({ preferred_language }) => <span>{preferred_language}</span>,
  },
  {
    key: 'last_activity',
    label: 'Last activity',
    track: '130px',
    sort: 'last_activity',
    render: ({ last_activity_at: at }) => (
      <span title={at ? formatMoment(at) : undefined}>{at ? formatAgo(at) : ''}</span>
    ),
  },
  {
    key: 'open_deals',
    label: 'Open deals',
    track: 'minmax(120px, 1fr)',
    sort: 'open_deals',
    align: 'end',
    render: ({ open_deals, open_deals_value }) => (
      <span title={open_deals === 1 ? '1 open deal' : `${formatNumber(open_deals)} open deals`}>
        {open_deals > 0 ? formatSums(open_deals_value, { short: true }) : ''}
      </span>
    ),
  },
  {
    key: 'created',
    label: 'Created',
    track: '120px',
    sort: 'created',
    render: ({ created_at }) => <span title={formatMoment(created_at)}>{formatDay(created_at)}</span>,
  },
  {
    key: 'updated',
    label: 'Changed',
    track: '130px',
    sort: 'updated',
    render: ({ updated_at }) => <span title={formatMoment(updated_at)}>{formatAgo(updated_at)}</span>,
  },
];

/** All possible columns, the custom fields last. */
export function listColumns(fields: CustomField[]): Column<ListedCustomer, CustomerSort>[] {
  return [
    ...fixedColumns,
    ...fields.map((field) => ({
      key: `custom.${field.key}`,
      label: field.label,
      track: 'minmax(120px, 1fr)',
      sort: `custom.${field.key}` as const,
      render: ({ custom }: ListedCustomer) => <span>{showCustomValue(field.type, custom[field.key])}</span>,
    })),
  ];
}
