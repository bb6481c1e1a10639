import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { ForChanges, useMayChange } from '@aether/ui/reading.tsx';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { ActionIcon, Button, TextInput, UnstyledButton } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { changeContact, contactsQuery, createContact, deleteContact } from '../api/companies.ts';
import type { Contact, ContactInput } from '../api/records.ts';
import { CustomerPicker } from '../inputs/Picker.tsx';
import classes from './company.module.css';

/** The people of a company and their roles. A contact may be a customer as well. */
export function Contacts({ companyId }: { companyId: string }) {
  const { data, hasNextPage, isFetchingNextPage, fetchNextPage } = useInfiniteQuery(contactsQuery(companyId));
  const rows = data?.pages.flatMap(({ contacts }) => contacts) ?? [];
  const [edited, setEdited] = useState<Contact | 'new' | undefined>();
  const mayChange = useMayChange();
  return (
    <section className={classes.section} aria-label="Contacts">
      <h2 className={classes.title}>
        Contacts
        <ForChanges>
          <ActionIcon aria-label="New contact" onClick={() => setEdited('new')}>
            <IconPlus size={16} />
          </ActionIcon>
        </ForChanges>
      </h2>
      {rows.map((contact) => (
        <div key={contact.id} className={classes.row}>
          {mayChange ? (
            <UnstyledButton aria-label={`Change ${contact.name}`} onClick={() => setEdited(contact)}>
              {contact.name}
            </UnstyledButton>
          ) : (
            <span>{contact.name}</span>
          )}
          <span className={classes.detail}>
            {[contact.title, contact.email, contact.phone].filter(Boolean).join(' · ')}
          </span>
          {contact.customer_id && (
            <Link to="/customers/$id" params={{ id: contact.customer_id }}>
              Customer
            </Link>
          )}
        </div>
      ))}
      {hasNextPage && (
        <Button variant="subtle" fullWidth loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
          Show more
        </Button>
      )}
      {data && rows.length === 0 && (
        <p className={classes.none}>Nobody yet.{mayChange && ' Add who decides, who pays, who uses it.'}</p>
      )}
      {edited && (
        <ContactDialog
          companyId={companyId}
          contact={edited === 'new' ? undefined : edited}
          onClose={() => setEdited(undefined)}
        />
      )}
    </section>
  );
}

/** `customer_text` names the chosen customer; `version` is the one that the person saw when they began. */
type Values = ContactInput & { customer_text?: string; version?: number };
type ContactDialogProps = { companyId: string; contact: Contact | undefined; onClose: () => void };

function ContactDialog({ companyId, contact, onClose }: ContactDialogProps) {
  const client = useQueryClient();
  const refresh = () => client.invalidateQueries({ queryKey: ['contacts', companyId] });
  const draft = useDraft<Values>(contact ? `contact:${contact.id}` : `new-contact:${companyId}`, {
    ...pickFields(contact),
    version: contact?.version,
  });
  const { value: values, change } = draft;
  const { customer_text, version, ...input } = values;
  const offerUndo = (before: Contact, after: Contact) =>
    showUndo({
      message: `${after.name} was changed.`,
      undo: () =>
        changeContact(before.id, pickFields(before), after.version)
          .then(refresh)
          .catch((error) => showRefusal('The contact was not changed back', error)),
    });
  const removing = useMutation({
    mutationFn: (gone: Contact) => deleteContact(gone.id),
    onSuccess: (_, gone) => {
      void refresh();
      onClose();
      showUndo({
        message: `${gone.name} was removed from the contacts.`,
        undo: () => createContact(companyId, { ...pickFields(gone), name: gone.name }).then(refresh),
      });
    },
    onError: (error) => showRefusal('The contact was not removed', error),
  });
  return (
    <Dialog
      title={contact ? contact.name : 'New contact'}
      verb={contact ? 'Save' : 'Create'}
      draft={draft}
      faults={findMissing(values, { name: 'Write a name.' })}
      save={() =>
        contact
          ? changeContact(contact.id, input, version ?? contact.version)
          : createContact(companyId, { ...input, name: input.name ?? '' })
      }
      onSaved={(saved) => {
        if (contact) offerUndo(contact, saved);
        void refresh();
        onClose();
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          {(['name', 'title', 'email', 'phone'] as const).map((field) => (
            <TextInput
              key={field}
              name={field}
              label={{ name: 'Name', title: 'Role', email: 'E-mail', phone: 'Phone' }[field]}
              withAsterisk={field === 'name'}
              data-autofocus={field === 'name' || undefined}
              value={values[field] ?? ''}
              error={errors[field]}
              onChange={(event) => change({ [field]: event.currentTarget.value || null })}
            />
          ))}
          <CustomerPicker
            label="Is the customer"
            name="customer_id"
            description="Links the contact with a customer’s page."
            text={customer_text ?? 'A customer'}
            value={values.customer_id ?? null}
            error={errors.customer_id}
            onChange={(customer_id, choice) => change({ customer_id, customer_text: choice?.label })}
          />
          {contact && (
            <Button
              variant="subtle"
              color="red"
              mr="auto"
              loading={removing.isPending}
              onClick={() => removing.mutate(contact)}
            >
              Remove from the contacts
            </Button>
          )}
        </>
      )}
    </Dialog>
  );
}

function pickFields(contact: Contact | undefined): ContactInput {
  if (!contact) return {};
  const { name, title, email, phone, customer_id } = contact;
  return { name, title, email, phone, customer_id };
}
