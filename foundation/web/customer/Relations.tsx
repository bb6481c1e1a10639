import { formatDay, formatMoney, formatSums } from '@aether/ui/formats.ts';
import { ForChanges, useMayChange } from '@aether/ui/reading.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { ActionIcon, Button } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { contactsQuery } from '../api/companies.ts';
import { changeCustomer } from '../api/customers.ts';
import { dealsQuery } from '../api/deals.ts';
import type { CustomerRecord, ListedDeal } from '../api/records.ts';
import { tasksQuery } from '../api/tasks.ts';
import { ProposedCompany } from '../companies/ProposedCompany.tsx';
import { NewDeal } from '../deals/NewDeal.tsx';
import { TaskList } from '../tasks/TaskList.tsx';
import classes from './customer.module.css';

/** The relations of a customer: open tasks, deals, the company and other people there. */
export function Relations({ record: { customer, company, crm } }: { record: CustomerRecord }) {
  const client = useQueryClient();
  const [isAdding, setAdding] = useState(false);
  const mayChange = useMayChange();
  const deals = useInfiniteQuery(dealsQuery({ contact_id: customer.id, sort: 'updated', dir: 'desc' }));
  const tasks = useInfiniteQuery(tasksQuery({ customer_id: customer.id }));
  const joining = useMutation({
    mutationFn: (company_id: string) => changeCustomer(customer.id, { company_id }, customer.version),
    onSuccess: (saved) => {
      const refresh = () => client.invalidateQueries({ queryKey: ['customer', customer.id] });
      void refresh();
      showUndo({
        message: `${customer.name} has a company now.`,
        undo: () => changeCustomer(customer.id, { company_id: null }, saved.version).then(refresh),
      });
    },
    onError: (error) => showRefusal('The company was not set', error),
  });
  const dealRows = deals.data?.pages.flatMap((page) => page.deals) ?? [];
  const taskRows = tasks.data?.pages.flatMap((page) => page.activities) ?? [];
  return (
    <>
      <Section title="Open tasks">
        {taskRows.length > 0 ? <TaskList tasks={taskRows} isOfOne /> : <p className={classes.none}>Nothing is due.</p>}
      </Section>
      <Section
        title={crm.open_deals > 0 ? `Deals · ${formatSums(crm.open_deals_value, { short: true })} open` : 'Deals'}
        action={
          <ForChanges>
            <ActionIcon aria-label={`New deal with ${customer.name}`} onClick={() => setAdding(true)}>
              <IconPlus size={16} />
            </ActionIcon>
          </ForChanges>
        }
      >
        {dealRows.map((deal) => (
          <DealItem key={deal.id} deal={deal} of={customer.id} />
        ))}
        {deals.data && dealRows.length === 0 && <p className={classes.none}>No deals yet.</p>}
        {deals.hasNextPage && (
          <Button variant="subtle" fullWidth onClick={() => deals.fetchNextPage()}>
            Show more
          </Button>
        )}
      </Section>
      <Section title="Company">
        {company ? (
          <Link to="/companies/$id" params={{ id: company.id }} className={classes.item}>
            {company.name}
            <span className={classes.itemDetail}>{company.domain}</span>
          </Link>
        ) : (
          <>
            <p className={classes.none}>None.{mayChange && ' Set one among the fields.'}</p>
            {mayChange && <ProposedCompany email={customer.email} onChoose={({ id }) => joining.mutate(id)} />}
          </>
        )}
      </Section>
      {company && <CompanyContacts companyId={company.id} />}
      {isAdding && <NewDeal customer={customer} onClose={() => setAdding(false)} />}
    </>
  );
}

/** The company's page shows the people beyond this number. */
const contactsMax = 5;

function CompanyContacts({ companyId }: { companyId: string }) {
  const { data, hasNextPage } = useInfiniteQuery(contactsQuery(companyId));
  const contacts = data?.pages[0]?.contacts ?? [];
  if (contacts.length === 0) return null;
  return (
    <Section title="Contacts there">
      {contacts.slice(0, contactsMax).map(({ id, name, title, email }) => (
        <div key={id} className={classes.item}>
          {name}
          <span className={classes.itemDetail}>{[title, email].filter(Boolean).join(' · ')}</span>
        </div>
      ))}
      {contacts.length > contactsMax && (
        <Link to="/companies/$id" params={{ id: companyId }} className={classes.itemDetail}>
          All {hasNextPage ? '' : `${contacts.length} `}of them
        </Link>
      )}
    </Section>
  );
}

/** A deal of the customer, or one in which the customer has a part: that says whose it is. */
function DealItem({ deal, of }: { deal: ListedDeal; of: string }) {
  const { id, name, amount, currency, status, stage_name, expected_close_on, customer, contacts } = deal;
  const role = contacts?.find((contact) => contact.id === of)?.role;
  return (
    <Link to="/deals/$id" params={{ id: String(id) }} className={classes.item}>
      {name}
      <span className={classes.itemDetail}>
        <span>
          {formatMoney(amount, currency)}
          {status === 'open' && expected_close_on && ` · ${formatDay(expected_close_on)}`}
        </span>
        <Tag tone={status === 'won' ? 'good' : status === 'lost' ? 'bad' : 'accent'}>{stage_name}</Tag>
      </span>
      {customer.id !== of && (
        <span className={classes.itemDetail}>
          {[`With ${customer.name}`, role ? `here as ${role}` : 'here as a contact'].join(', ')}
        </span>
      )}
    </Link>
  );
}

function Section({ title, action, children }: { title: string; action?: ReactNode; children: ReactNode }) {
  return (
    <div className={classes.section}>
      <div className={classes.sectionHead}>
        <h2 className={classes.sectionTitle}>{title}</h2>
        {action}
      </div>
      {children}
    </div>
  );
}
