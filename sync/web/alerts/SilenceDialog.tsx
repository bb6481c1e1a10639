import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { Picker } from '@aether/ui/Picker.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { silence } from '../api/alerts.ts';
import { healthQuery } from '../api/health.ts';

const lengths = [
  { value: '1', label: 'An hour' },
  { value: '4', label: 'Four hours' },
  { value: '24', label: 'A day' },
  { value: '168', label: 'A week' },
];
const hourMs = 3_600_000;
/** A choice that is a kind instead of a check begins with this. */
const everyPrefix = 'every ';

type SilenceDialogProps = { slug: string; onClose: () => void };

/** Silences a check, or all checks of a kind, for some time, with a reason. */
export function SilenceDialog({ slug, onClose }: SilenceDialogProps) {
  const client = useQueryClient();
  const { data } = useQuery(healthQuery);
  const checks = data?.checks ?? [];
  const kinds = [...new Set(checks.map(({ kind }) => kind))].sort();
  const known = [...new Set([slug, ...checks.map((check) => check.slug)])].filter(Boolean).sort();
  const choices = [...known, ...kinds.map((kind) => `${everyPrefix}${kind}`)].map((value) => ({ value, label: value }));
  const draft = useDraft(`silence:${slug}`, { what: slug, hours: '1', reason: '' });
  const { value: values, change } = draft;
  const { what, hours, reason } = values;
  return (
    <Dialog
      title="Silence"
      verb="Silence"
      draft={draft}
      faults={findMissing(values, {
        what: 'Choose a check or a kind.',
        reason: 'Write a reason for those who wonder.',
      })}
      save={() =>
        silence({
          ...(what.startsWith(everyPrefix) ? { kind: what.slice(everyPrefix.length) } : { slug: what }),
          until: new Date(Date.now() + Number(hours) * hourMs).toISOString(),
          reason,
        })
      }
      onSaved={() => {
        void client.invalidateQueries({ queryKey: ['silences'] });
        onClose();
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <Picker
            label="What"
            name="what"
            data={choices}
            value={what}
            error={errors.what ?? errors.slug ?? errors.kind}
            onChange={(next) => change({ what: next ?? '' })}
          />
          <Picker
            label="For how long"
            name="hours"
            data={lengths}
            value={hours}
            error={errors.hours ?? errors.until}
            onChange={(next) => change({ hours: next ?? '1' })}
          />
          <TextInput
            label="Reason"
            name="reason"
            withAsterisk
            data-autofocus
            description="What changes meanwhile is recorded and not sent. If it lasts, it is sent afterwards."
            value={reason}
            error={errors.reason}
            onChange={(event) => change({ reason: event.currentTarget.value })}
          />
        </>
      )}
    </Dialog>
  );
}
