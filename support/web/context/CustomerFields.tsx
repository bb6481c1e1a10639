import { Picker } from '@aether/ui/Picker.tsx';
import { lazyDialog } from '@aether/ui/parts/lazy.tsx';
import { useMayChange } from '@aether/ui/reading.tsx';
import { Refusal } from '@aether/ui/refusal.ts';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { IconMoonStars, IconSun } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { changeCustomer } from '../api/context.ts';
import type { Customer, CustomerFields as Fields } from '../api/records.ts';
import { useNow } from '../desk/clock.ts';
import classes from './context.module.css';
import { formatTimeThere, listLanguages, listTimeZones, nameLanguage } from './places.ts';

/** Two people rarely change the same customer at once, so the question is loaded when it is asked. */
const ConflictDialog = lazyDialog(() => import('@aether/ui/ConflictDialog.tsx'), 'ConflictDialog');

type Conflict = { mine: Partial<Fields>; base: Fields; stored: Customer };

const labels: Record<string, string> = { preferred_language: 'Language', timezone: 'Time zone' };
const pick = ({ preferred_language, timezone }: Customer): Fields => ({ preferred_language, timezone });

type CustomerFieldsProps = { customer: Customer; onReload: () => Promise<unknown> };

/** Support's own fields of the customer; another person's change in the meantime is shown, not overwritten. */
export function CustomerFields({ customer, onReload }: CustomerFieldsProps) {
  const client = useQueryClient();
  const mayChange = useMayChange();
  const [conflict, setConflict] = useState<Conflict | undefined>();
  const refresh = () => client.invalidateQueries({ queryKey: ['context'] });
  const saving = useMutation({
    mutationFn: ({ change, version }: { change: Partial<Fields>; version: number; base: Fields }) =>
      changeCustomer(customer.id, { ...change, expected_version: version }),
    onSuccess: ({ customer: saved }, { change, base }) => {
      void refresh();
      const before = Object.fromEntries(Object.keys(change).map((field) => [field, base[field as keyof Fields]]));
      const words = Object.keys(change).map((field) => labels[field]);
      showUndo({
        message: `${words.join(', ')} of ${customer.name} was changed.`,
        undo: async () => {
          await changeCustomer(customer.id, { ...before, expected_version: saved.version });
          await refresh();
        },
      });
    },
    onError: async (error, { change, base }) => {
      if (!(error instanceof Refusal && error.isConflict)) return showRefusal('Not saved', error);
      await onReload();
      const stored = (error.current as Customer | undefined) ?? findStored();
      if (stored) setConflict({ mine: change, base, stored });
      else showRefusal('Not saved', error);
    },
  });
  /** The customer as read again after the refusal. */
  function findStored(): Customer | undefined {
    const all = client.getQueriesData<{ customer: Customer | null }>({ queryKey: ['context'], type: 'active' });
    return all.map(([, data]) => data?.customer).find((each) => each?.id === customer.id) ?? undefined;
  }
  const save = (change: Partial<Fields>) => saving.mutate({ change, version: customer.version, base: pick(customer) });
  const shown = { ...pick(customer), ...(saving.isPending && saving.variables.change) };
  return (
    <div className={classes.fields}>
      <Picker
        label="Language"
        placeholder="Not known"
        clearable
        data={listLanguages(customer.preferred_language)}
        value={shown.preferred_language}
        disabled={saving.isPending || !mayChange}
        nothingFound="No such language"
        onChange={(preferred_language) => save({ preferred_language })}
      />
      <Picker
        label="Time zone"
        placeholder="Not known"
        clearable
        data={listTimeZones(customer.timezone)}
        value={shown.timezone}
        disabled={saving.isPending || !mayChange}
        nothingFound="No such time zone"
        onChange={(timezone) => save({ timezone })}
      />
      {shown.timezone && <TimeThere timeZone={shown.timezone} />}
      {conflict && (
        <ConflictDialog
          conflict={{ name: customer.name, base: conflict.base, mine: conflict.mine, theirs: pick(conflict.stored) }}
          describe={(field, value) => ({
            label: labels[field] ?? field,
            text: value ? (field === 'timezone' ? String(value) : nameLanguage(String(value))) : 'nothing',
          })}
          onCancel={() => setConflict(undefined)}
          onResolve={(change) => {
            const { stored } = conflict;
            setConflict(undefined);
            if (Object.keys(change).length > 0)
              saving.mutate({ change: change as Partial<Fields>, version: stored.version, base: pick(stored) });
          }}
        />
      )}
    </div>
  );
}

/** The local time of the customer, so that no agent calls at night by mistake. */
function TimeThere({ timeZone }: { timeZone: string }) {
  // To the minute: to find out the time of a zone takes long.
  const there = formatTimeThere(
    useNow((now) => Math.floor(now / 60_000)),
    timeZone,
  );
  if (!there) return null;
  const isNight = there.hour < 7 || there.hour >= 22;
  return (
    <div className={classes.there}>
      {isNight ? <IconMoonStars size={14} aria-hidden /> : <IconSun size={14} aria-hidden />}
      {there.text} there{isNight && ', at night'}
    </div>
  );
}
