import { formatMoment } from '@aether/ui/formats.ts';
import { ErrorText } from '@aether/ui/Holder.tsx';
import { followOwnWrites, noteOwnWrite } from '@aether/ui/ownwrites.ts';
import { ForChanges, useMayChange } from '@aether/ui/reading.tsx';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { type Drafting, useDraft } from '@aether/ui/useDraft.ts';
import { ActionIcon, Text, TextInput, Tooltip } from '@mantine/core';
import { IconPlus, IconStar, IconTrash } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { At } from '../api/belongings.ts';
import type { Customer } from '../api/records.ts';
import { nameApp } from '../record/Provenance.tsx';
import classes from './customer.module.css';

/** One of what a customer has several of: an address, a telephone number. */
type Belonging = {
  id: string;
  is_primary: boolean;
  added_at: string;
  added_by_app: string;
  added_by: { name: string } | null;
};
type Changed = { id: string; version: number };
type Calls = Record<'add' | 'makePrimary' | 'remove' | 'restore', (at: At, what: string) => Promise<Changed>>;
type Step = {
  send: (at: At) => Promise<Changed>;
  message: string;
  undo: (at: At, changed: Changed) => Promise<Changed>;
};

type BelongingsProps<Item> = {
  customer: Customer;
  /** The title of the region, and the name of one: `address`. */
  title: string;
  one: string;
  items: Item[];
  calls: Calls;
  describe: (item: Item) => string;
  /** Where a click on it leads; undefined: nowhere. */
  reach: (item: Item) => string | undefined;
  /** What a removal says behind the name of what was removed. */
  removed: string;
  mayRemove: (item: Item) => boolean;
  marks: (item: Item) => ReactNode;
  input: { placeholder: string; inputMode: 'email' | 'tel' };
  children?: ReactNode;
};

/** A region of the record for what a customer has several of, each with its marks. Each change can be undone. */
export function Belongings<Item extends Belonging>(props: BelongingsProps<Item>) {
  const { customer, title, one, items, calls, describe, reach, removed, mayRemove, marks, input, children } = props;
  const draft = useDraft(`new-${one}:${customer.id}`, '');
  const [isAdding, setAdding] = useState(draft.isThere);
  const { change, changeAsync, isBusy } = useChanging(customer, `The ${one} was not changed`);
  const mayChange = useMayChange();
  const primary = items.find((each) => each.is_primary);
  return (
    <section className={classes.section} aria-label={title}>
      <div className={classes.sectionHead}>
        <h2 className={classes.sectionTitle}>{title}</h2>
        <ForChanges>
          <ActionIcon aria-label={`Add ${nounOf(one)} to ${customer.name}`} onClick={() => setAdding(true)}>
            <IconPlus size={16} />
          </ActionIcon>
        </ForChanges>
      </div>
      <ul className={classes.belongings}>
        {items.map((item) => {
          const text = describe(item);
          return (
            <li key={item.id} className={classes.belonging}>
              <div className={classes.belongingLine}>
                <span className={classes.belongingText}>
                  <Reached to={reach(item)}>{text}</Reached>
                </span>
                <span className={classes.belongingActions}>
                  {mayChange && !item.is_primary && (
                    <Action
                      label="Make primary"
                      name={`Make ${text} the primary ${one}`}
                      isBusy={isBusy}
                      icon={<IconStar size={15} />}
                      onClick={() =>
                        change({
                          send: (at) => calls.makePrimary(at, item.id),
                          message: `${text} is the primary ${one} of ${customer.name}.`,
                          undo: (at) => calls.makePrimary(at, primary?.id ?? item.id),
                        })
                      }
                    />
                  )}
                  {mayChange && mayRemove(item) && (
                    <Action
                      label="Remove"
                      name={`Remove the ${one} ${text}`}
                      isBusy={isBusy}
                      icon={<IconTrash size={15} />}
                      onClick={() =>
                        change({
                          send: (at) => calls.remove(at, item.id),
                          message: `${text} was removed${removed}.`,
                          undo: (at) => calls.restore(at, item.id),
                        })
                      }
                    />
                  )}
                </span>
              </div>
              <div className={classes.belongingMarks}>{marks(item)}</div>
            </li>
          );
        })}
      </ul>
      {isAdding && mayChange && (
        <NewBelonging
          label={`New ${one}`}
          {...input}
          draft={draft}
          onAdd={(typed) =>
            changeAsync({
              send: (at) => calls.add(at, typed),
              message: `${typed} was added.`,
              undo: (at, changed) => calls.remove(at, changed.id),
            })
          }
          onClose={() => setAdding(false)}
        />
      )}
      {children}
    </section>
  );
}

const Reached = ({ to, children }: { to: string | undefined; children: string }) =>
  to ? <a href={to}>{children}</a> : children;

/** `address` → `an address` */
const nounOf = (one: string) => `${/^[aeiou]/.test(one) ? 'an' : 'a'} ${one}`;

/** By whom and when it was added, for the title of its time. */
export function describeOrigin({ added_at, added_by, added_by_app }: Belonging): string {
  const who = added_by ? `${added_by.name} in ${nameApp(added_by_app)}` : nameApp(added_by_app);
  return `Added ${formatMoment(added_at)} by ${who}`;
}

/** Sends changes of the customer, one at a time, with the version that the person saw. Each offers its undo. */
function useChanging(customer: Customer, refusal: string) {
  const client = useQueryClient();
  const record = `customer:${customer.id}`;
  const refresh = async () => {
    await client.invalidateQueries({ queryKey: ['customer', customer.id] });
    void client.invalidateQueries({ queryKey: ['customers'] });
  };
  async function write(version: number, send: (at: At) => Promise<Changed>): Promise<Changed> {
    const changed = await send({ customer: customer.id, version });
    noteOwnWrite(record, version, changed.version);
    return changed;
  }
  const changing = useMutation({
    mutationFn: ({ send }: Step) => write(customer.version, send),
    onSuccess: (changed, { message, undo }) =>
      showUndo({
        message,
        undo: async () => {
          await write(followOwnWrites(record, changed.version), (at) => undo(at, changed));
          await refresh();
        },
      }),
    onSettled: refresh,
  });
  return {
    change: (step: Step) => changing.mutate(step, { onError: (error) => showRefusal(refusal, error) }),
    changeAsync: changing.mutateAsync,
    isBusy: changing.isPending,
  };
}

type ActionProps = { label: string; name: string; isBusy: boolean; icon: ReactNode; onClick: () => void };

function Action({ label, name, isBusy, icon, onClick }: ActionProps) {
  return (
    <Tooltip label={label}>
      <ActionIcon size="sm" variant="subtle" disabled={isBusy} aria-label={name} onClick={onClick}>
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}

type NewBelongingProps = {
  label: string;
  placeholder: string;
  inputMode: 'email' | 'tel';
  draft: Drafting<string>;
  onAdd: (typed: string) => Promise<unknown>;
  onClose: () => void;
};

/** Enter adds what is typed, Escape discards it. */
function NewBelonging({ label, placeholder, inputMode, draft, onAdd, onClose: close }: NewBelongingProps) {
  const { value: typed, set } = draft;
  const onClose = () => {
    draft.clear();
    close();
  };
  const adding = useMutation({ mutationFn: onAdd, onSuccess: onClose });
  const submit = () => (typed.trim() === '' ? onClose() : adding.mutate(typed.trim()));
  return (
    <>
      <TextInput
        aria-label={label}
        placeholder={placeholder}
        size="xs"
        inputMode={inputMode}
        autoFocus={!draft.restoredAt}
        disabled={adding.isPending}
        error={adding.isError}
        value={typed}
        onChange={(event) => set(event.currentTarget.value)}
        onBlur={() => typed.trim() === '' && onClose()}
        onKeyDown={(event) => {
          if (event.key === 'Enter') submit();
          if (event.key !== 'Escape') return;
          event.stopPropagation();
          onClose();
        }}
      />
      {adding.error && (
        <Text size="xs" c="var(--bad)" role="alert">
          <ErrorText error={adding.error} isKept isAtField />
        </Text>
      )}
    </>
  );
}
