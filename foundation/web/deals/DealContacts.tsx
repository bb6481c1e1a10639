import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { ForChanges } from '@aether/ui/reading.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { ActionIcon, Autocomplete, Menu } from '@mantine/core';
import { IconDots, IconPlus } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { dealContactsQuery, makePrimaryContact, putDealContact, removeDealContact } from '../api/deals.ts';
import type { DealContact, DealRecord } from '../api/records.ts';
import { CustomerPicker } from '../inputs/Picker.tsx';
import classes from './DealPage.module.css';

/** What is offered; any other word is one as well. */
const offeredRoles = ['Decision maker', 'Influencer', 'User', 'Billing', 'Legal', 'Technical contact'];

/** Who has a part in a deal: its customer, who is the primary contact, and others. */
export function DealContacts({ deal }: { deal: DealRecord }) {
  const { data } = useQuery(dealContactsQuery(deal.id));
  const [edited, setEdited] = useState<DealContact | 'new' | undefined>();
  const acts = useActs(deal);
  const rows = data?.contacts ?? [];
  return (
    <section className={classes.contacts} aria-label="Contacts">
      <h2 className={classes.contactsTitle}>
        Contacts
        <ForChanges>
          <ActionIcon aria-label={`Add a contact to ${deal.name}`} onClick={() => setEdited('new')}>
            <IconPlus size={16} />
          </ActionIcon>
        </ForChanges>
      </h2>
      <ul className={classes.contactList}>
        {rows.map((contact) => {
          const { customer, company, role, is_primary } = contact;
          return (
            <li key={customer.id} className={classes.contact}>
              <span className={classes.contactWords}>
                <span className={classes.contactHead}>
                  <Link to="/customers/$id" params={{ id: customer.id }}>
                    {customer.name}
                  </Link>
                  {is_primary && <Tag tone="accent">Primary</Tag>}
                </span>
                <span className={classes.contactDetail}>{[role, company?.name].filter(Boolean).join(' · ')}</span>
              </span>
              <ForChanges>
                <Menu width={190} position="bottom-end">
                  <Menu.Target>
                    <ActionIcon aria-label={`What to do with ${customer.name}`}>
                      <IconDots size={16} />
                    </ActionIcon>
                  </Menu.Target>
                  <Menu.Dropdown>
                    <Menu.Item onClick={() => setEdited(contact)}>Change the part…</Menu.Item>
                    {!is_primary && (
                      <>
                        <Menu.Item onClick={() => acts.makePrimary.mutate(contact)}>Make primary</Menu.Item>
                        <Menu.Item color="red" onClick={() => acts.remove.mutate(contact)}>
                          Remove from the deal
                        </Menu.Item>
                      </>
                    )}
                  </Menu.Dropdown>
                </Menu>
              </ForChanges>
            </li>
          );
        })}
      </ul>
      {edited && (
        <ContactDialog
          deal={deal}
          contact={edited === 'new' ? undefined : edited}
          onSaved={acts.refresh}
          onClose={() => setEdited(undefined)}
        />
      )}
    </section>
  );
}

/** What a person does with the contacts, each with its undo. */
function useActs(deal: DealRecord) {
  const client = useQueryClient();
  const refresh = async () => {
    const keys = [['deal-contacts', deal.id], ['deal', deal.id], ['deals'], ['board']];
    await Promise.all(keys.map((queryKey) => client.invalidateQueries({ queryKey })));
  };
  const remove = useMutation({
    mutationFn: ({ customer }: DealContact) => removeDealContact(deal.id, customer.id),
    onSuccess: (_, { customer, role }) => {
      void refresh();
      showUndo({
        message: `${customer.name} was removed from the deal.`,
        undo: () => putDealContact(deal.id, customer.id, role).then(refresh),
      });
    },
    onError: (error) => showRefusal('The contact was not removed', error),
  });
  const makePrimary = useMutation({
    mutationFn: ({ customer }: DealContact) => makePrimaryContact(deal.id, customer.id, deal.version),
    onSuccess: ({ version }, { customer }) => {
      void refresh();
      showUndo({
        message: `${customer.name} is the primary contact now.`,
        undo: () => makePrimaryContact(deal.id, deal.customer.id, version).then(refresh),
      });
    },
    onError: (error) => {
      void refresh();
      showRefusal('The primary contact was not changed', error);
    },
  });
  return { refresh, remove, makePrimary };
}

type Values = { customer_id: string | null; customer_text?: string; role: string };
type ContactDialogProps = {
  deal: DealRecord;
  contact: DealContact | undefined;
  onSaved: () => Promise<void>;
  onClose: () => void;
};

function ContactDialog({ deal, contact, onSaved, onClose }: ContactDialogProps) {
  const draft = useDraft<Values>(
    contact ? `deal-contact:${deal.id}:${contact.customer.id}` : `new-deal-contact:${deal.id}`,
    { customer_id: contact?.customer.id ?? null, role: contact?.role ?? '' },
  );
  const { value: values, change } = draft;
  const role = values.role.trim() || null;
  return (
    <Dialog
      title={contact ? contact.customer.name : 'New contact of the deal'}
      verb={contact ? 'Save' : 'Add'}
      draft={draft}
      faults={findMissing(values, { customer_id: 'Choose a customer.' })}
      save={() => putDealContact(deal.id, values.customer_id ?? '', contact ? role : (role ?? undefined))}
      onSaved={() => {
        void onSaved();
        if (contact && contact.role !== role)
          showUndo({
            message: `The part of ${contact.customer.name} was changed.`,
            undo: () => putDealContact(deal.id, contact.customer.id, contact.role).then(onSaved),
          });
        onClose();
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          {!contact && (
            <CustomerPicker
              label="Customer"
              name="customer_id"
              withAsterisk
              data-autofocus
              text={values.customer_text}
              value={values.customer_id}
              error={errors.customer_id ?? errors.id}
              onChange={(customer_id, choice) => change({ customer_id, customer_text: choice?.label })}
            />
          )}
          <Autocomplete
            label="Part"
            name="role"
            description="What the person has to do with the deal, in a word or two."
            data={offeredRoles}
            maxLength={80}
            data-autofocus={contact !== undefined || undefined}
            value={values.role}
            error={errors.role}
            onChange={(role) => change({ role })}
          />
        </>
      )}
    </Dialog>
  );
}
